"""How an address is shown to people, without the user and password that it may carry, and how it is reached."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import requests

_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)


def shown(url: str) -> str:
    """The address for messages and logs.

    Everything up to the last @ goes: a password with an unescaped / or # in it must not be shown from there on.
    """
    return _USERINFO.sub(r"\1", url)


def session_to(url: str) -> requests.Session:
    """A session for an address; around the environment's proxy where that is this machine, which no proxy reaches."""
    session = requests.Session()
    session.trust_env = not is_loopback(url)
    return session


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
