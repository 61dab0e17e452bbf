"""100 concurrent initiators and responders, 20,000 exchanges through one pair of Key Providers."""

import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from skip_client import Client, Key, SkipError
from skip_client.testing import Endpoint, KeyProviderPair

AT_ONCE = 100
EACH = 200


@pytest.mark.parametrize("mode", ["certificates", "PSK"])
def test_every_key_arrives_once_and_equal_at_both_ends(mode: str) -> None:
    """Every key is equal at both ends, every keyId is distinct, and none is delivered twice or lost."""
    between: queue.SimpleQueue[Key] = queue.SimpleQueue()
    start = threading.Barrier(2 * AT_ONCE)

    with KeyProviderPair() as pair:

        def client(kp: Endpoint) -> Client:
            patience = {"timeout": 60.0, "connect_timeout": 30.0}
            if mode == "PSK":
                return Client(kp.psk_url, psk=pair.psk, **patience)
            return Client(kp.url, ca=pair.ca, **patience)

        def initiator() -> list[str]:
            issued = []
            with client(pair.alice) as kp:
                start.wait()
                for _ in range(EACH):
                    key = kp.new_key(pair.bob.id)
                    issued.append(key.key_id)
                    between.put(key)
            return issued

        def responder() -> list[str]:
            delivered = []
            with client(pair.bob) as kp:
                start.wait()
                for _ in range(EACH):
                    theirs = between.get(timeout=120)
                    mine = kp.key_by_id(theirs.key_id, pair.alice.id)
                    assert mine == theirs, "both ends must have the same key"
                    delivered.append(mine.key_id)
            return delivered

        with ThreadPoolExecutor(2 * AT_ONCE) as pool:
            ends = [pool.submit(end) for _ in range(AT_ONCE) for end in (initiator, responder)]
            lists = [end.result() for end in ends]
        issued = [key_id for keys in lists[0::2] for key_id in keys]
        delivered = [key_id for keys in lists[1::2] for key_id in keys]

        assert len(issued) == len(set(issued)) == AT_ONCE * EACH
        assert len(delivered) == AT_ONCE * EACH
        assert set(delivered) == set(issued)
        assert between.empty()

        with client(pair.bob) as kp:
            for key_id in random.sample(delivered, 200):
                with pytest.raises(SkipError) as caught:
                    kp.key_by_id(key_id, pair.alice.id)
                assert caught.value.advice == "new_key"
