"""Checks licences, sources and banned crates of everything in Cargo.lock, by the rules of deny.toml.

`cargo deny check licenses bans sources` reads the same file and reports more; this needs only cargo and Python.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def satisfied(expression: str, allowed: set[str]) -> bool:
    """Whether the allowed licences satisfy an SPDX expression (an old-style `A/B` means `A OR B`)."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1]

    def either() -> bool:
        value = both()
        while peek().upper() == "OR":
            take()
            value = both() or value
        return value

    def both() -> bool:
        value = one()
        while peek().upper() == "AND":
            take()
            value = one() and value
        return value

    def one() -> bool:
        if peek() == "(":
            take()
            value = either()
            take()
            return value
        name = take()
        if peek().upper() == "WITH":
            take()
            name = f"{name} WITH {take()}"
        return name in allowed

    return either() and position == len(tokens)


def cargo(*arguments: str) -> str:
    """The output of a cargo command."""
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def in_use() -> list[dict]:
    """The packages built for any target; `cargo metadata` also lists those that no feature enables."""
    tree = cargo("tree", "--locked", "--workspace", "--target", "all", "--prefix", "none", "--format", "{p}")
    built = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    packages = json.loads(cargo("metadata", "--format-version", "1", "--locked"))["packages"]
    return [package for package in packages if (package["name"], f"v{package['version']}") in built]


def main() -> int:
    """Prints violations of the rules; the exit status is 1 if there are any."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    # with the packages that may use them all the same
    banned = {ban["crate"]: set(ban.get("wrappers", [])) for ban in rules["bans"]["deny"]}
    registries = {f"registry+{url}" for url in rules["sources"]["allow-registry"]}
    packages = in_use()

    complaints = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not satisfied(package["license"] or "none", allowed):
            complaints.append(f"{name}: licence {package['license']}")
        if package["name"] in banned:
            users = {
                user["name"] for user in packages if package["name"] in {used["name"] for used in user["dependencies"]}
            }
            if not users <= banned[package["name"]]:
                complaints.append(f"{name}: banned")
        if package["source"] is not None and package["source"] not in registries:
            complaints.append(f"{name}: source {package['source']}")
    for complaint in complaints:
        print(f"error: {complaint} (see deny.toml)", file=sys.stderr)
    if not complaints:
        print(f"licences, bans and sources of {len(packages)} crates: fine")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
