"""JSON files that define something in the cluster: mappings and pipelines, of the shape that the commands rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from cluster.errors import InvalidCatalogue


def read_definition(path: Path, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """The file's JSON object, whole; raises InvalidCatalogue where it is none, or what the commands read of it has another shape."""
    try:
        body = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        msgspec.convert(body, shape)
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidCatalogue(f"{path} cannot be read: {error}") from error
    return body
