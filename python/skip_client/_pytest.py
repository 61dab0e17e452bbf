"""The pytest plugin: the fixture `skip_key_providers`, and `--key-provider-url`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from . import _doctor_plugin

if TYPE_CHECKING:
    from .testing import KeyProviderPair


@pytest.fixture
def skip_key_providers() -> "Iterator[KeyProviderPair]":
    """A pair of development Key Providers for one test."""
    from .testing import KeyProviderPair  # imported only by tests that use it

    with KeyProviderPair() as pair:
        yield pair


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the examination."""
    _doctor_plugin.add_options(parser)


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Adds the tests of the examination, if requested."""
    items.extend(_doctor_plugin.items(session))
