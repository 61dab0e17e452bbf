"""The pytest plugin: the fixture `skip_key_providers`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import KeyProviderPair


@pytest.fixture
def skip_key_providers() -> "Iterator[KeyProviderPair]":
    """A pair of development Key Providers for one test."""
    from .testing import KeyProviderPair  # only tests that use it pay for it

    with KeyProviderPair() as pair:
        yield pair
