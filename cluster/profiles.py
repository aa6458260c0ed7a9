"""What a sidecar serves, asked before a pipeline sends searches to it.

Invariant: only an answer refuses anything. The cluster may reach what this machine does not, so a sidecar that is not heard of here is told
of and left alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

import msgspec
import requests

from cluster.addresses import session_to, shown
from cluster.embedding import refusal, sidecar_headers
from cluster.errors import ServiceFailed

_TIMEOUT_S = 5


class _Model(msgspec.Struct, frozen=True):
    profile: str
    kind: str


class _Models(msgspec.Struct, frozen=True):
    models: list[_Model]


def check_profile(urls: Sequence[str], profile: str | None, tell: Callable[[str], None]) -> None:
    """Ask each sidecar of a pipeline whether it serves the profile (None: its own default); those that cannot be asked are told of.

    Raises ServiceFailed where one answers and does not have it: every search would come back in first-pass order.
    """
    for url in urls:
        try:
            profiles = served(url)
        except ServiceFailed as error:
            tell(f"{error}. Searches are re-ranked if the cluster's nodes reach it")
            continue
        if profile is not None and profile not in profiles:
            nearest = difflib.get_close_matches(profile, profiles, n=1)
            meant = f": did you mean {nearest[0]}?" if nearest else "."
            there = f"It serves {', '.join(profiles)}" if profiles else "It serves none"
            raise ServiceFailed(f"the sidecar at {shown(url)} has no profile {profile!r} to re-rank with{meant} {there}")


def served(url: str) -> list[str]:
    """The profiles by which the sidecar at a URL re-ranks; raises ServiceFailed where it does not say."""
    address = shown(url)
    try:
        answer = session_to(url).get(f"{url.rstrip('/')}/v1/models", headers=sidecar_headers(), timeout=_TIMEOUT_S)
        if not answer.ok:
            raise ServiceFailed(f"the sidecar at {address} does not say what it serves: {refusal(answer)}")
        models = msgspec.json.decode(answer.content, type=_Models).models
    except requests.RequestException as error:
        raise ServiceFailed(f"no sidecar answers this machine at {address}") from error
    except msgspec.MsgspecError as error:
        raise ServiceFailed(f"what answers at {address} is no sidecar: {error}") from error
    return [model.profile for model in models if model.kind != "embedder"]
