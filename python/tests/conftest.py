"""Fixtures shared by several tests."""

from collections.abc import Iterator

import pytest

from skip_client import Client
from skip_client.testing import KeyProviderPair


@pytest.fixture
def alice(skip_key_providers: KeyProviderPair) -> Iterator[Client]:
    """A client of Alice."""
    with Client(skip_key_providers.alice.url, ca=skip_key_providers.ca) as kp:
        yield kp


@pytest.fixture
def bob(skip_key_providers: KeyProviderPair) -> Iterator[Client]:
    """A client of Bob."""
    with Client(skip_key_providers.bob.url, ca=skip_key_providers.ca) as kp:
        yield kp
