"""The same client as `residue-target`, with the Python package: a step for each line on stdin."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from skip_client import AsyncClient, Client, Entropy, Key, Psk, SkipError


async def main() -> None:
    """Runs the steps, and waits after each while another process searches this one's memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for option in ("--ca", "--cert", "--key", "--key_password", "--psk"):
        parser.add_argument(option)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--asyncio", action="store_true")
    arguments = parser.parse_args()
    client: Any = (AsyncClient if arguments.asyncio else Client)(
        arguments.url,
        ca=arguments.ca,
        cert=(arguments.cert, arguments.key) if arguments.key else arguments.cert,
        key_password=arguments.key_password and Path(arguments.key_password),
        psk=Psk.from_file(arguments.psk) if arguments.psk else None,
        legacy=arguments.legacy,
        timeout=2.0,
    )

    async def result(answer: Any) -> Any:
        return await answer if arguments.asyncio else answer

    held: list[Key | Entropy] = []
    print("ready", flush=True)
    for line in sys.stdin:
        step, *rest = line.split()
        try:
            match step:
                case "new_key":
                    held.append(await result(client.new_key("Bob", 256)))
                    with memoryview(held[-1]) as view:
                        assert len(view) == 32
                case "key_by_id":
                    held.append(await result(client.key_by_id(rest[0], "Bob")))
                case "entropy":
                    held.append(await result(client.entropy()))
                case "capabilities":
                    await result(client.capabilities(refresh=True))
                case "drop":
                    held.clear()
                case "close":
                    client.close()
            said = "ok"
        except SkipError as error:
            said = error.code
        # until a task waits again, asyncio holds the future of its last call
        await asyncio.sleep(0)
        print(said, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
