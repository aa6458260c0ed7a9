"""A new model directory -> the place of the one that is served: whole, and only when everything that could refuse it has passed.

Invariant: until the last step the served directory is untouched, and it is replaced as a whole, by renames on one file system: whoever
opens it finds the old model, for a moment none (the sidecar goes on with what it has loaded), or the new one, and no mixture.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecar.manifest import FILE_NAME

CARD = "README.md"
_TOKENIZER = "tokenizer.json"


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """An empty directory to write in. It takes the place of `output` when the block ends; where the block raises, `output` stays as it was.

    It is two levels below the parent of `output`: a sidecar that serves this parent reads `*/manifest.json` and must not take it for a
    profile. Raises ValueError where `output` holds what no export wrote.
    """
    target = output.resolve()
    _refuse_foreign(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
        made = Path(beside) / "new"
        made.mkdir()
        yield made
        _swap(made, target, Path(beside) / "old")


def _refuse_foreign(target: Path) -> None:
    """The whole directory is replaced: what somebody else keeps in it would be lost."""
    if not target.exists():
        return
    foreign = sorted(path.name for path in target.iterdir() if not _is_of_a_model(path))
    if foreign:
        raise ValueError(
            f"{target} holds {foreign[0]!r}, which is no file of a model, and an export replaces the whole directory: "
            "move it away, or name another directory with --out"
        )


def _is_of_a_model(path: Path) -> bool:
    return path.name in {FILE_NAME, CARD, _TOKENIZER} or path.name.endswith((".onnx", ".onnx.data"))


def _swap(made: Path, target: Path, aside: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    target.rename(aside)
    try:
        made.rename(target)
    except BaseException:
        aside.rename(target)
        raise
