"""sbom.py: writes dist/NAME.cdx.json, the contents of each artefact as CycloneDX 1.6.

sbom.py --inside PACKAGE FOLDER TARGET...: writes the same and the licence texts, to be packed into the artefact itself.
"""

import hashlib
import json
import os
import re
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from artefacts import VERSION, Kind, artefacts
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from linked import Component, Graph, linked, notices

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/skip-client/skip-client")


def bill(name: str, kind: Kind, digest: str | None) -> dict[str, Any]:
    """The reproducible SBOM of one artefact. An SBOM inside the artefact has no SHA-256, which is not known yet."""
    identity = digest or json.dumps([name, VERSION, *map(str, kind.graphs)])
    time = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    components = [_component(component) for component in linked(kind.graphs)]
    needs = [
        {"type": "library", "bom-ref": purl, "name": re.split("[/@]", purl)[-2], "version": purl.rpartition("@")[2],
         "purl": purl, "scope": "excluded", "properties": [_property("in-the-artefact", "no: its dependency")]}
        for purl in kind.needs
    ]  # fmt: skip
    root = {
        "type": "application" if "command" in kind.what or name.endswith(".deb") else "library",
        "bom-ref": name,
        "name": name,
        "version": VERSION,
        "description": kind.what,
        "licenses": [{"expression": "Apache-2.0 OR MIT"}],
        "hashes": [{"alg": "SHA-256", "content": digest}] if digest else [],
        "properties": [
            _property("target", target) for graph in kind.graphs for target in graph.targets
        ] + [_property("features", ",".join(graph.features)) for graph in kind.graphs if graph.features],
    }  # fmt: skip
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, identity)}",
        "version": 1,
        "metadata": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": root},
        "components": components + needs,
        "dependencies": [{"ref": name, "dependsOn": [item["bom-ref"] for item in components + needs]}],
    }


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"skip-client:{name}", "value": value}


def _component(component: Component) -> dict[str, Any]:
    result: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "licenses": [{"expression": component.licence}],
    }
    if component.sha256:
        result["hashes"] = [{"alg": "SHA-256", "content": component.sha256}]
    if component.repository:
        result["externalReferences"] = [{"type": "vcs", "url": component.repository}]
    if component.features:
        result["properties"] = [_property("features", ",".join(component.features))]
    return result


def main() -> None:
    """Writes the SBOMs of all artefacts, or the licence texts of one package."""
    if sys.argv[1:2] == ["--inside"]:
        package, folder, *targets = sys.argv[2:]
        graphs = (Graph(package, ("psk-vendored",), tuple(targets)),)
        Path(folder, "THIRD-PARTY.txt").write_text(notices(linked(graphs)), encoding="utf-8")
        write(Path(folder, f"{package}.cdx.json"), bill(package, Kind("", "what is linked in", graphs), None))
        return
    for path, kind in artefacts():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        write(path.with_name(path.name + ".cdx.json"), bill(path.name, kind, digest))


def write(path: Path, document: dict[str, Any]) -> None:
    """Writes an SBOM after checking it against CycloneDX's schema."""
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    complaint = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if complaint is not None:
        raise SystemExit(f"error: {path.name}: {complaint}")
    path.write_text(text)


if __name__ == "__main__":
    main()
