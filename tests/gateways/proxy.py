"""A proxy that injects faults into connections on command, as a separate process inside a site.

Arguments: `NAME:LISTEN:TARGET...`. A line of JSON on stdin changes the named wire; the answer is the number of
connections replayed so far.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field


@dataclass
class Wire:
    """What happens to the connections of one port.

    Modes: `pass`; `cut` closes all connections and refuses new ones; `swallow` accepts data and never forwards it;
    `lose-answer` closes a connection when its answer arrives; `double` replays what a client has sent on another
    connection; `reorder` lets a later connection overtake an earlier one. `delay` is in seconds and applies to each
    chunk.
    """

    target: str
    mode: str = "pass"
    delay: float = 0.0
    # what each open connection has sent so far, at most 64 KiB
    open: dict[asyncio.StreamWriter, bytearray] = field(default_factory=dict)
    waiting: bool = False
    replayed: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def change(self, order: dict[str, object]) -> None:
        """Sets the mode. Agents keep connections open, so some modes, and a new target, close them."""
        self.mode = str(order.get("mode", "pass"))
        self.delay = float(str(order.get("delay", 0)))
        before, self.target = self.target, str(order.get("target", self.target))
        if self.mode == "double":
            for sent in self.open.values():
                self.replay(bytes(sent))
        if self.mode in ("cut", "double", "reorder") or self.target != before:
            for writer in list(self.open):
                writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        sent = self.open[writer] = bytearray()
        with contextlib.suppress(OSError):
            if self.mode == "cut":
                writer.transport.abort()
            else:
                if self.mode == "reorder":
                    # every second one is delayed
                    self.waiting = not self.waiting
                    await asyncio.sleep(0.3 if self.waiting else 0)
                if self.mode == "double":
                    self.tasks.add(task := asyncio.create_task(self._replay_what(sent)))
                    task.add_done_callback(self.tasks.discard)
                await self._join(reader, writer, sent)
        del self.open[writer]
        with contextlib.suppress(OSError):
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytearray) -> None:
        """Forwards in both directions."""
        host, port = self.target.rsplit(":", 1)
        back, forth = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, from_client: bool) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    await asyncio.sleep(self.delay)
                    if from_client and len(sent) < 1 << 16:
                        sent.extend(data)
                    if self.mode == "swallow":
                        continue
                    if self.mode == "lose-answer" and not from_client and len(sent) > 2000:
                        writer.transport.abort()
                        return
                    sink.write(data)
                    await sink.drain()
            with contextlib.suppress(OSError):
                sink.close()

        await asyncio.gather(pump(reader, forth, True), pump(back, writer, False))

    async def _replay_what(self, sent: bytearray) -> None:
        """Replays what a connection has sent in its first moments."""
        await asyncio.sleep(0.3)
        self.replay(bytes(sent))

    def replay(self, sent: bytes) -> None:
        """Sends the same bytes again on a new connection."""

        async def once_more() -> None:
            host, port = self.target.rsplit(":", 1)
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(sent)
                self.replayed += 1
                await asyncio.wait_for(reader.read(1 << 16), 0.5)
                writer.close()

        if sent:
            self.tasks.add(task := asyncio.create_task(once_more()))
            task.add_done_callback(self.tasks.discard)


async def main() -> None:
    """Serves until stdin is closed."""
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
        print(wires[order["wire"]].replayed, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
