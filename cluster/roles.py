"""The roles of documents' fields, as catalogues, pipelines and the models' text templates name them.

Invariant: a name that is none is refused where it is written: a model leaves out a role that its template does not know, without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ROLES = ("title", "brand", "color", "size", "category", "attributes", "creator", "tags", "year", "description")


def check_roles(names: Iterable[str], known: Iterable[str] = ROLES) -> None:
    """Raises ValueError at the first name that is no role, with the one that is probably meant and all that there are."""
    roles = tuple(dict.fromkeys(known))
    for name in names:
        if name not in roles:
            nearest = difflib.get_close_matches(name.lower(), roles, n=1)
            meant = f": did you mean {nearest[0]}?" if nearest else "."
            raise ValueError(f"{name!r} is no role that models read{meant} The roles are {', '.join(roles)}")
