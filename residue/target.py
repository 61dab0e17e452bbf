"""The same client as `residue-target`, over the Python package: a step for each line on stdin."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from skip_client import AsyncClient, Client, Entropy, Key, Psk, SkipError


def main() -> None:
    """Does the steps, and waits after each while somebody looks through this process's memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for option in ("--ca", "--cert", "--key", "--psk"):
        parser.add_argument(option)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--asyncio", action="store_true")
    arguments = parser.parse_args()
    runner = asyncio.Runner()
    result = runner.run if arguments.asyncio else lambda answer: answer
    client: Any = (AsyncClient if arguments.asyncio else Client)(
        arguments.url,
        ca=arguments.ca,
        cert=(arguments.cert, arguments.key) if arguments.cert else None,
        psk=Psk.from_file(arguments.psk) if arguments.psk else None,
        legacy=arguments.legacy,
        timeout=2.0,
    )
    held: list[Key | Entropy] = []
    print("ready", flush=True)
    for line in sys.stdin:
        step, *rest = line.split()
        try:
            match step:
                case "new_key":
                    held.append(result(client.new_key("Bob", 256)))
                    with memoryview(held[-1]) as view:
                        assert len(view) == 32
                case "key_by_id":
                    held.append(result(client.key_by_id(rest[0], "Bob")))
                case "entropy":
                    held.append(result(client.entropy()))
                case "capabilities":
                    result(client.capabilities(refresh=True))
                case "drop":
                    held.clear()
                case "close":
                    client.close()
                    del client
                    wait_for_threads()
            print("ok", flush=True)
        except SkipError as error:
            print(error.code, flush=True)


def wait_for_threads() -> None:
    """The threads of AsyncClient share it, and end by themselves."""
    while any(task.joinpath("comm").read_text() == "skip-client\n" for task in Path("/proc/self/task").iterdir()):
        time.sleep(0.001)


if __name__ == "__main__":
    main()
