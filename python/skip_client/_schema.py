"""The JSON Schemas of the three messages."""

from __future__ import annotations

from ._core import schema_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .types import MessageKind, SchemaStyle


def schema(kind: MessageKind, style: SchemaStyle = "strict") -> dict[str, Any]:
    """The JSON Schema of a message: `strict` (2020-12) or `as-published` (draft-04, as in the draft's figures).

    Raises InvalidArgument for another kind or style.
    """
    import json  # most programs that fetch keys do not need it

    document: dict[str, Any] = json.loads(schema_text(kind, style))
    return document
