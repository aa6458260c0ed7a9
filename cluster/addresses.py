"""How an address is shown to people: without the user and password that it may carry."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)


def shown(url: str) -> str:
    """The address for messages and logs.

    Everything up to the last @ goes: a password with an unescaped / or # in it must not be shown from there on.
    """
    return _USERINFO.sub(r"\1", url)
