"""check-versions.py [TAG]: the version is the same everywhere, and the metadata of the packages is complete.

With the tag of a release (`v1.2.3`), the version matches the tag and is released in the changelog.
"""

import json
import re
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://github.com/skip-client/skip-client"
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
POM = {"m": "http://maven.apache.org/POM/4.0.0"}


def versions() -> dict[str, str]:
    """Every place that states the version."""
    found = {"Cargo.toml": WORKSPACE["package"]["version"]}
    for name, dependency in WORKSPACE["dependencies"].items():
        if isinstance(dependency, dict) and "path" in dependency:
            found[f"Cargo.toml, dependency {name}"] = dependency.get("version", "none: it could not be published")
    package = json.loads((ROOT / "node/package.json").read_text())
    lock = json.loads((ROOT / "node/package-lock.json").read_text())
    found["node/package.json"] = package["version"]
    found["node/package-lock.json"] = lock["packages"][""]["version"]
    kotlin = ("pom.xml", "consumer/pom.xml", "android/aar.pom")
    for path in (*(f"bindings/kotlin/{name}" for name in kotlin), "bench/kotlin/pom.xml"):
        if (ROOT / path).exists():
            found |= _maven(path)
    heading = re.search(r"^## (?:Unreleased: )?(\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    found["CHANGELOG.md, first heading"] = heading[1] if heading else "none"
    for path in [*sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docs/design/*.md")]), ROOT / "README.md"]:
        for number in re.findall(r"skip[-_]client[-_:@](\d+\.\d+\.\d+)", path.read_text()):
            found[f"{path.relative_to(ROOT)}"] = number
    for tag in sys.argv[1:]:
        found[f"the tag {tag}"] = tag.removeprefix("v")
        if heading and "Unreleased" in heading[0]:
            found["CHANGELOG.md, first heading"] = "unreleased"
    return found


def _maven(path: str) -> dict[str, str]:
    root = ET.parse(ROOT / path).getroot()
    found = {}
    for element in [root, *root.iter(f"{{{POM['m']}}}dependency")]:
        name, version = element.findtext("m:artifactId", None, POM), element.findtext("m:version", None, POM)
        if name == "skip-client" and version:
            found[path] = version
    return found


def crates() -> list[str]:
    """What is wrong with the metadata of the crates."""
    wrong = []
    for member in WORKSPACE["members"]:
        package = tomllib.loads((ROOT / member / "Cargo.toml").read_text())["package"]
        if package.get("publish") is False:
            continue
        for field in ("description", "license", "repository", "keywords", "categories", "rust-version"):
            if field not in package:
                wrong.append(f"{member}/Cargo.toml: a crate that is published needs {field} (or publish = false)")
        for name in ("README.md", "LICENSE-APACHE", "LICENSE-MIT"):
            if not (ROOT / member / name).is_file():
                wrong.append(f"{member}: a crate that is published needs {name} (the licences: links to the root's)")
    return wrong


def others() -> list[str]:
    """What is wrong with the metadata of the other packages."""
    python = tomllib.loads((ROOT / "python/pyproject.toml").read_text())["project"]
    node = json.loads((ROOT / "node/package.json").read_text())
    pom = ET.parse(ROOT / "bindings/kotlin/pom.xml").getroot()
    licence = WORKSPACE["package"]["license"]
    keywords = set(WORKSPACE["package"]["keywords"])
    facts = {
        "Cargo.toml: repository": WORKSPACE["package"]["repository"] == REPOSITORY,
        "python/pyproject.toml: license": python["license"] == licence,
        "python/pyproject.toml: keywords": keywords <= set(python["keywords"]),
        "python/pyproject.toml: the repository in urls": REPOSITORY in python.get("urls", {}).values(),
        "python/pyproject.toml: version must stay dynamic (maturin reads Cargo.toml)": "version" in python["dynamic"],
        "node/package.json: license": node["license"] == licence,
        "node/package.json: keywords": keywords - {"ipsec", "macsec"} <= set(node["keywords"]),
        "node/package.json: repository": REPOSITORY in node["repository"]["url"],
        "node/package.json: engines": "node" in node["engines"],
        # Maven Central wants an entry for each
        "bindings/kotlin/pom.xml: licences": [name.text for name in pom.iterfind("m:licenses/m:license/m:name", POM)]
        == licence.split(" OR "),
        "bindings/kotlin/pom.xml: scm": REPOSITORY in (pom.findtext("m:scm/m:url", None, POM) or ""),
        "bindings/kotlin/pom.xml: developers": bool(pom.findtext("m:developers/m:developer/m:name", None, POM)),
    }
    minimum = WORKSPACE["package"]["rust-version"]
    policy = (ROOT / "docs/compatibility.md").read_text()
    for word in (f"Rust {minimum}", python["requires-python"].strip(">= "), node["engines"]["node"].strip(">= ")):
        facts[f"docs/compatibility.md: the oldest version {word}"] = word in policy
    return [f"{fact}: missing or not what the other packages say" for fact, holds in facts.items() if not holds]


def main() -> int:
    """Prints the discrepancies."""
    said = versions()
    wrong = [f"{place}: version {version}" for place, version in said.items() if version != said["Cargo.toml"]]
    if wrong:
        wrong.append(f"Cargo.toml says {said['Cargo.toml']}: set the version there and in the places above")
    wrong += crates() + others()
    for complaint in wrong:
        print(f"error: {complaint}", file=sys.stderr)
    if not wrong:
        print(f"version {said['Cargo.toml']} in {len(said)} places, and the packages' metadata: fine")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
