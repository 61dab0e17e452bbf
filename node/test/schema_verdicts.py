"""Verdicts of Python's jsonschema for crosscheck.test.js: reads lines `KIND STYLE TEXT`, writes `true` or `false`."""

import json
import sys
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).resolve().parents[2] / "core" / "src" / "schema"
STYLES = {"strict": "strict", "asPublished": "as-published"}


def validator(kind: str, style: str) -> jsonschema.protocols.Validator:
    """The validator of one schema, of the dialect that it names."""
    document = json.loads((SCHEMAS / f"{kind}.{STYLES[style]}.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(document)(document)


VALIDATORS = {(kind, style): validator(kind, style) for kind in ("capabilities", "key", "entropy") for style in STYLES}

for line in sys.stdin:
    kind, style, text = line.rstrip("\n").split(" ", 2)
    print("true" if VALIDATORS[kind, style].is_valid(json.loads(text)) else "false")
