"""Where commands write: looked at before the work begins, as some of it takes hours.

Invariant: a place that is taken here has, as its nearest folder that exists, one that this account may write into; nothing is made yet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class _Place(click.Path):
    """A path that will be written; refused where it cannot be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        nearest = next((each for each in (path, *path.absolute().parents) if each.exists()), path)
        if nearest != path and not nearest.is_dir():
            self.fail(f"{path} cannot be made: {nearest} is a file.", param, ctx)
        if not os.access(nearest, os.W_OK):
            self.fail(f"{path} cannot be written: {nearest} belongs to others, or is read-only.", param, ctx)
        return path


NEW_FOLDER = _Place(file_okay=False, path_type=Path)
NEW_FILE = _Place(dir_okay=False, path_type=Path)
