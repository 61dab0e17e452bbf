"""A ResourceWarning for unclosed objects that hold connections or servers, and for no others."""

import subprocess
import sys

import pytest

from skip_client.testing import KeyProviderPair

HEAD = """
import asyncio, sys
from skip_client import AsyncClient, Client
from skip_client.testing import KeyProviderPair
url, ca = sys.argv[1:]

async def use(kp, close):
    await kp.new_key("Bob")
    if close: await kp.aclose()
"""
UNCLOSED = {
    "a client": "kp = Client(url, ca=ca); kp.new_key('Bob'); del kp",
    "a global client at exit": "kp = Client(url, ca=ca); kp.new_key('Bob')",
    "a client that several use": "kp = Client([url, url], ca=ca); kp.entropy(); del kp",
    "an AsyncClient": "kp = AsyncClient(url, ca=ca); asyncio.run(use(kp, False)); del kp",
    "an AsyncClient at exit": "kp = AsyncClient(url, ca=ca); asyncio.run(use(kp, False))",
    "a pair": "pair = KeyProviderPair(); del pair",
}
QUIET = {
    "closed": "kp = Client(url, ca=ca); kp.new_key('Bob'); kp.close()",
    "closed by with": "with Client(url, ca=ca) as kp: kp.new_key('Bob')",
    "never used": "kp = Client(url, ca=ca); asy = AsyncClient(url, ca=ca)",
    "never connected": """
try: Client('https://127.0.0.1:1', ca=ca).new_key('Bob')
except ConnectionError: pass""",
    "never made": """
for make in (Client, AsyncClient, lambda url: KeyProviderPair(['nonsense'])):
    try: make('http://kp')
    except ValueError: pass""",
    "asynchronous": "kp = AsyncClient(url, ca=ca); asyncio.run(use(kp, True))",
    "a pair": "with KeyProviderPair(): pass",
}


def ran(pair: KeyProviderPair, program: str) -> str:
    command = [sys.executable, "-X", "dev", "-c", HEAD + program, pair.alice.url, pair.ca]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


@pytest.mark.parametrize("program", UNCLOSED.values(), ids=UNCLOSED)
def test_what_is_not_closed_is_named(skip_key_providers: KeyProviderPair, program: str) -> None:
    shown = ran(skip_key_providers, program)
    assert shown.count("ResourceWarning: unclosed ") == 1, shown
    assert "Exception" not in shown and "Traceback" not in shown, shown


@pytest.mark.parametrize("program", QUIET.values(), ids=QUIET)
def test_nothing_else_is(skip_key_providers: KeyProviderPair, program: str) -> None:
    assert ran(skip_key_providers, program) == ""
