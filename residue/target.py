"""The same client as `residue-target`, over the Python package: a step for each line on stdin."""

import argparse
import sys

from skip_client import Client, Entropy, Key, Psk, SkipError


def main() -> None:
    """Does the steps, and waits after each while somebody looks through this process's memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for option in ("--ca", "--cert", "--key", "--psk"):
        parser.add_argument(option)
    parser.add_argument("--legacy", action="store_true")
    arguments = parser.parse_args()
    client = Client(
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
                    held.append(client.new_key("Bob", 256))
                    with memoryview(held[-1]) as view:
                        assert len(view) == 32
                case "key_by_id":
                    held.append(client.key_by_id(rest[0], "Bob"))
                case "entropy":
                    held.append(client.entropy())
                case "capabilities":
                    client.capabilities(refresh=True)
                case "drop":
                    held.clear()
                case "close":
                    client.close()
                    del client
            print("ok", flush=True)
        except SkipError as error:
            print(error.code, flush=True)


if __name__ == "__main__":
    main()
