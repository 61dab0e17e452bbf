"""swift_reference.py SYMBOLS.json PAGE.md: the reference of the Swift package as a page of the site.

docc makes a site too (dist/docs-swift), but its pages need a web server and a fixed path on it; this page is searched
with the others and can be read from a disk. `scripts/swift docs` runs both.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

TYPES = ("swift.class", "swift.struct", "swift.enum", "swift.protocol")
# what the compiler adds to each type, without a text
COMPILERS = (
    "hash(into:)",
    "==(_:_:)",
    "!=(_:_:)",
    "hashValue",
    "rawValue",
    "init(rawValue:)",
    "init(from:)",
    "encode(to:)",
)


def page(symbols: list[dict[str, Any]]) -> str:
    """Types in alphabetical order with their members, then what belongs to no type."""
    members: dict[str, list[dict[str, Any]]] = defaultdict(list)
    types, others = [], []
    for symbol in sorted(symbols, key=lambda one: one["pathComponents"]):
        path = symbol["pathComponents"]
        if symbol["accessLevel"] not in ("public", "open") or path[-1] in COMPILERS:
            continue
        if symbol["kind"]["identifier"] in TYPES:
            types.append(symbol)
        elif len(path) == 1:
            others.append(symbol)
        else:
            members[".".join(path[:-1])].append(symbol)
    text = "# Swift\n"
    for symbol in types:
        name = ".".join(symbol["pathComponents"])
        text += f"\n## {name}\n\n{body(symbol)}"
        for member in members.pop(name, []):
            text += f"\n### {member['names']['title'].removeprefix(name + '.')}\n\n{body(member)}"
    rest = [symbol for found in members.values() for symbol in found]
    for symbol in others + rest:
        text += f"\n## {'.'.join(symbol['pathComponents'])}\n\n{body(symbol)}"
    return text


def body(symbol: dict[str, Any]) -> str:
    """Declaration and comment."""
    declaration = "".join(part["spelling"] for part in symbol["declarationFragments"])
    lines = [line["text"] for line in symbol.get("docComment", {}).get("lines", [])]
    comment = "\n".join(lines).replace("``", "`")
    return f"```swift\n{declaration}\n```\n" + (f"\n{comment}\n" if comment else "")


if __name__ == "__main__":
    graph = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(page(graph["symbols"]), encoding="utf-8")
