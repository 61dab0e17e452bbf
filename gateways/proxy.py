"""Carries connections, and spoils them on command: a process of its own inside a site.

Arguments: `NAME:LISTEN:TARGET...`; a line of JSON on stdin changes the wire of a name, and is answered with `ok`.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field


@dataclass
class Wire:
    """What happens to the connections of one port."""

    target: str
    mode: str = "pass"
    delay: float = 0.0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    overtaken: asyncio.Event = field(default_factory=asyncio.Event)

    def change(self, order: dict[str, object]) -> None:
        """A new mode; connections that are under way are cut when it is `cut`."""
        self.mode = str(order.get("mode", "pass"))
        self.delay = float(str(order.get("delay", 0)))
        self.target = str(order.get("target", self.target))
        if self.mode == "cut":
            for writer in list(self.writers):
                writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self.mode == "cut":
                writer.transport.abort()
            elif self.mode == "swallow":
                await reader.read(1 << 16)
                await asyncio.sleep(30)
            else:
                if self.mode == "reorder" and not self.overtaken.is_set():
                    # until a later connection is through, or none has come
                    self.overtaken.set()
                    await asyncio.sleep(0.3)
                    self.overtaken.clear()
                sent = await self.join(reader, writer)
                if self.mode == "double":
                    await self.replay(sent)
        self.writers.discard(writer)
        with contextlib.suppress(OSError):
            writer.close()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Both directions; what the client sent."""
        host, port = self.target.rsplit(":", 1)
        back, forth = await asyncio.open_connection(host, int(port))
        self.writers.add(forth)
        sent = bytearray()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bool) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    await asyncio.sleep(self.delay)
                    if record and len(sent) < 1 << 16:
                        sent.extend(data)
                    if self.mode == "lose-answer" and not record and len(sent) > 2000:
                        writer.transport.abort()
                        return
                    sink.write(data)
                    await sink.drain()
            with contextlib.suppress(OSError):
                sink.close()

        await asyncio.gather(pump(reader, forth, True), pump(back, writer, False))
        self.writers.discard(forth)
        return bytes(sent)

    async def replay(self, sent: bytes) -> None:
        """The same bytes once more, on a connection of their own."""
        host, port = self.target.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(1 << 16), 0.5)
        writer.close()


async def main() -> None:
    """Serves until stdin ends."""
    wires: dict[str, Wire] = {}
    for argument in sys.argv[1:]:
        name, listen, target = argument.split(",")
        wires[name] = Wire(target)
        host, port = listen.rsplit(":", 1)
        await asyncio.start_server(wires[name].carry, host, int(port))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        wires[order["wire"]].change(order)
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
