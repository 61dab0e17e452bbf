"""`python -m skip_client` is the command line, and so is the `skip-client` that comes with the package."""

import os
import signal
import sys

from ._core import cli_main, harden_process


def main() -> int:
    """Runs the command line with the arguments of this process."""
    # a stream that was closed before the start would otherwise be the next file or socket that is opened
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    # Python would only take note of Ctrl-C, and raise KeyboardInterrupt at the end
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    harden_process()
    return cli_main(["skip-client", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
