"""What mkdocstrings lacks: classes of stubs that are made by `__new__` are shown with its arguments."""

from typing import Any

import griffe


class Constructors(griffe.Extension):
    """Calls `__new__` `__init__` where that is missing."""

    def on_class_members(self, *, cls: griffe.Class, **_kwargs: Any) -> None:
        """After the members of a class were read."""
        new = cls.members.get("__new__")
        if isinstance(new, griffe.Function) and "__init__" not in cls.members:
            new.name = "__init__"
            cls.members["__init__"] = cls.members.pop("__new__")
