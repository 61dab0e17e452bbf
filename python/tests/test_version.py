"""The version, and those of the TLS libraries inside, are reported consistently."""

import subprocess
import sys
from importlib import metadata

import skip_client


def test_the_version_is_that_of_the_package() -> None:
    assert skip_client.__version__ == metadata.version("skip-client")


def test_the_tls_libraries_are_those_of_the_command() -> None:
    libraries = skip_client.tls_libraries()
    assert list(libraries) == ["AWS-LC", "OpenSSL"]
    assert all(version.split(".")[0].isdigit() for version in libraries.values())
    command = [sys.executable, "-m", "skip_client", "--version"]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    listed = ", ".join(f"{name} {version}" for name, version in libraries.items())
    assert said == f"skip-client {skip_client.__version__}\nTLS: {listed}\n"
