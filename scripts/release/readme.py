"""readme.py README: runs README.md's Python against `skip-client serve`, with certificates and pre-shared keys.

Runs in an empty folder, where only the package is installed.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import skip_client


def main() -> None:
    """Prints what was run."""
    block = re.search(r"```python\n(.*?)```", Path(sys.argv[1]).read_text(encoding="utf-8"), re.DOTALL)
    assert block, "README.md has no Python"
    ports = [word for name in ("alice", "bob", "psk-alice", "psk-bob") for word in (f"--{name}", "127.0.0.1:0")]
    server = subprocess.Popen([sys.executable, "-m", "skip_client", "serve", "--dir", "kp", *ports])
    try:
        ready = Path("kp/endpoints.json")
        for _ in range(600):
            if ready.exists() or server.poll() is not None:
                break
            time.sleep(0.1)
        ends = json.loads(ready.read_text())
        for mode in ("url", "psk_url"):
            code = block[1].replace("https://127.0.0.1:8443", ends["alice"][mode])
            code = code.replace("https://127.0.0.1:8444", ends["bob"][mode])
            if mode == "psk_url":
                code = "from skip_client import Psk\n" + code.replace('ca="ca.pem"', 'psk=Psk.from_file("kp/psk.txt")')
                assert "psk=Psk" in code
            else:
                code = code.replace('"ca.pem"', '"kp/ca.pem"')
            assert "8443" not in code and "8444" not in code
            exec(compile(code, f"README.md ({mode})", "exec"), {})
    finally:
        server.terminate()
        server.wait(30)
    libraries = ", ".join(f"{name} {version}" for name, version in skip_client.tls_libraries().items())
    python = ".".join(map(str, sys.version_info[:3]))
    print(
        f"README with certificates and with pre-shared keys: Python {python}, "
        f"skip-client {skip_client.__version__}, {libraries}"
    )


main()
