"""A contestant in Python.

Reads `warm N`, `cold N` or `many CALLERS N` from stdin and prints a JSON line with the nanoseconds of each request; for
`many` the total of all callers comes first.

`contestant.py NAME URL CA [PSK_FILE]`. Each class creates one client; `request` fetches one key and checks it.
"""

import asyncio
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATH = "/key?remoteSystemID=Bob"
HEADERS = {"Accept": "application/json", "Cache-Control": "no-store"}


class Floor:
    """Fixed bytes out and in over Python's ssl socket: no HTTP library, no parsing."""

    context: ssl.SSLContext | None = None

    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        if Floor.context is None:
            Floor.context = context(ca)
        host, port = url.removeprefix("https://").split(":")
        raw = socket.create_connection((host, int(port)))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = Floor.context.wrap_socket(raw, server_hostname=host)
        lines = [f"GET {PATH} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in HEADERS.items())]
        self.bytes = ("\r\n".join([*lines, "User-Agent: skip-client/0.1.0"]) + "\r\n\r\n").encode()

    def request(self) -> None:
        self.stream.sendall(self.bytes)
        reply = self.stream.recv(65536)
        while not reply.rstrip().endswith(b"}"):
            reply += self.stream.recv(65536)

    def close(self) -> None:
        self.stream.close()


class SkipClient:
    """This project."""

    openssl = False

    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        from skip_client import Client, Psk

        trust: dict[str, Any] = {"psk": Psk.from_file(psk)} if psk else {"ca": ca}
        self.client = Client(url, check_remote=False, legacy=self.openssl, **trust)

    def request(self) -> None:
        assert self.client.new_key("Bob").bits == 256

    def close(self) -> None:
        self.client.close()


class SkipClientOpenSsl(SkipClient):
    """The same with certificates and OpenSSL, the library that pre-shared keys use."""

    openssl = True


class HttpClient:
    """The standard library."""

    context: ssl.SSLContext | None = None

    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import http.client

        if HttpClient.context is None:
            HttpClient.context = context(ca)
        self.connection = http.client.HTTPSConnection(
            url.removeprefix("https://"), timeout=10, context=HttpClient.context
        )

    def request(self) -> None:
        self.connection.request("GET", PATH, headers=HEADERS)
        check(self.connection.getresponse().read())

    def close(self) -> None:
        self.connection.close()


class Urllib3:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import urllib3

        self.pool, self.url = urllib3.PoolManager(ca_certs=ca, timeout=10), url + PATH

    def request(self) -> None:
        check(self.pool.request("GET", self.url, headers=HEADERS).data)

    def close(self) -> None:
        self.pool.clear()


class Requests:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import requests

        self.session, self.url = requests.Session(), url + PATH
        self.session.verify, self.session.trust_env = ca, False

    def request(self) -> None:
        check(self.session.get(self.url, headers=HEADERS, timeout=10).content)

    def close(self) -> None:
        self.session.close()


class Httpx:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import httpx

        self.client, self.url = httpx.Client(verify=context(ca), trust_env=False, timeout=10), url + PATH

    def request(self) -> None:
        check(self.client.get(self.url, headers=HEADERS).content)

    def close(self) -> None:
        self.client.close()


class Pycurl:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import pycurl

        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.URL, url + PATH)
        self.curl.setopt(pycurl.CAINFO, ca)
        self.curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
        self.curl.setopt(pycurl.TIMEOUT, 10)

    def request(self) -> None:
        check(self.curl.perform_rb())

    def close(self) -> None:
        self.curl.close()


class SkipQkd:
    """The other published SKIP client. It works for one request only, so each request creates a client and connects."""

    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        from skip_qkd import MTLSConfig, SkipQKDClient

        # it requires a client certificate, which the server ignores
        trust = MTLSConfig(ca, ca, str(Path(ca).with_name("k.pem")))
        self.make = lambda: SkipQKDClient(url.removeprefix("https://"), "127.0.0.1", trust)

    def request(self) -> None:
        assert len(bytes.fromhex(self.make().request_key("Bob")["key"])) == 32

    def close(self) -> None:
        pass


def context(ca: str) -> ssl.SSLContext:
    """A single TLS 1.3 group, X25519, as in every cold comparison."""
    return ssl.create_default_context(cafile=ca)


def check(body: bytes) -> None:
    """The minimum that any user of such a response has to do."""
    assert len(bytes.fromhex(json.loads(body)["key"])) == 32


class AsyncSkipClient:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        from skip_client import AsyncClient

        self.client = AsyncClient(url, ca=ca, check_remote=False, timeout=60, connect_timeout=30)

    async def request(self) -> None:
        assert (await self.client.new_key("Bob")).bits == 256

    async def close(self) -> None:
        await self.client.aclose()


class AsyncHttpx:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import httpx

        self.client, self.url = httpx.AsyncClient(verify=context(ca), trust_env=False, timeout=60), url + PATH

    async def request(self) -> None:
        check((await self.client.get(self.url, headers=HEADERS)).content)

    async def close(self) -> None:
        await self.client.aclose()


class Aiohttp:
    def __init__(self, url: str, ca: str, psk: str | None) -> None:
        import aiohttp

        connector = aiohttp.TCPConnector(ssl=context(ca), limit=128)
        self.session, self.url = aiohttp.ClientSession(connector=connector), url + PATH

    async def request(self) -> None:
        async with self.session.get(self.url, headers=HEADERS) as reply:
            check(await reply.read())

    async def close(self) -> None:
        await self.session.close()


SYNC = {
    "floor": Floor,
    "skip-client": SkipClient,
    "skip-client-openssl": SkipClientOpenSsl,
    "http.client": HttpClient,
    "urllib3": Urllib3,
    "requests": Requests,
    "httpx": Httpx,
    "pycurl": Pycurl,
    "skip-qkd": SkipQkd,
}
ASYNC = {"skip-client async": AsyncSkipClient, "httpx async": AsyncHttpx, "aiohttp": Aiohttp}


def times(n: int, request: Callable[[], None]) -> list[int]:
    """The nanoseconds of each request."""
    found = []
    for _ in range(n):
        started = time.perf_counter_ns()
        request()
        found.append(time.perf_counter_ns() - started)
    return found


def many_threads(make: Callable[[], Any], callers: int, each: int) -> list[int]:
    """All requests of all threads, each with its own client, connected beforehand."""
    start = threading.Barrier(callers + 1)
    calls: list[int] = []

    def work() -> None:
        client = make()
        client.request()
        start.wait()
        calls.extend(times(each, client.request))

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter_ns()
    for thread in threads:
        thread.join()
    return [time.perf_counter_ns() - started, *calls]


async def many_coroutines(make: Callable[[], Any], callers: int, each: int) -> list[int]:
    """All requests of all coroutines over one client, connected beforehand."""
    client = make()
    await asyncio.gather(*(client.request() for _ in range(callers)))

    calls: list[int] = []

    async def work() -> None:
        for _ in range(each):
            started = time.perf_counter_ns()
            await client.request()
            calls.append(time.perf_counter_ns() - started)

    started = time.perf_counter_ns()
    await asyncio.gather(*(work() for _ in range(callers)))
    taken = time.perf_counter_ns() - started
    await client.close()
    return [taken, *calls]


def main() -> None:
    """Executes each line of stdin."""
    name, url, ca, *psk = sys.argv[1:]

    def make() -> Any:
        return (SYNC | ASYNC)[name](url, ca, psk[0] if psk else None)

    def cold() -> None:
        client = make()
        client.request()
        client.close()

    warm = None
    for line in sys.stdin:
        command, *numbers = line.split()
        n = [int(number) for number in numbers]
        if command == "warm":
            warm = warm or make()
            found = times(n[0], warm.request)
        elif command == "cold":
            found = times(n[0], cold)
        elif name in ASYNC:
            found = asyncio.run(many_coroutines(make, *n))
        else:
            found = many_threads(make, *n)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
