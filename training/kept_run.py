"""What a run's folder was made by, so that it is not gone on with, or taken for done, when settings or data have changed since.

`run.yaml` holds the settings, `data.json` a digest of each set and of the weights and the tokenizer that it starts from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from training.keys import file_key, folder_key
from training.run_file import RunFile, read_run_file, write_run_file

_RUN, _DATA = "run.yaml", "data.json"
# Files that hold lists, documents or weights: the same lists make the same bytes, and a card may be written anew.
_DATA_FILES = frozenset({".gz", ".safetensors", ".bin", ".onnx"})
_TOKENIZER = "tokenizer.json"
_MISSING = object()
_WITHOUT_EFFECT = frozenset({"train.workers"})


def check_kept_run(folder: Path, run: RunFile) -> None:
    """Raise ValueError where the run that a folder was made by is not this one, or was made of other data: both would share one model.

    Settings that do not change the result (`train.workers`) may differ.
    """
    remedy = f"take another --out, or delete {folder} (--fresh trains over it)"
    try:
        kept = _flat(msgspec.to_builtins(read_run_file(folder / _RUN)))
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{folder} holds a run, and what made it cannot be read ({error}): {remedy}") from error
    given = _flat(msgspec.to_builtins(run))
    differing = [
        f"{key} is {given.get(key, 'not set')!r}, and was {kept.get(key, 'not set')!r}"
        for key in {**given, **kept}
        if given.get(key, _MISSING) != kept.get(key, _MISSING) and key not in _WITHOUT_EFFECT
    ]
    if differing:
        raise ValueError(f"{folder} holds a run of other settings: {'; '.join(differing)}. To go on, {remedy}")
    # A folder of an earlier version does not say.
    data = json.loads((folder / _DATA).read_text()) if (folder / _DATA).exists() else {}
    changed = [path for path, digest in _digests(run).items() if data.get(path, digest) != digest]
    if changed:
        raise ValueError(f"{folder} holds a run on other data: {', '.join(changed)} changed since. To train on what is there now, {remedy}")


def note_run(folder: Path, run: RunFile) -> None:
    """Write what the folder's run is made by: its settings, and digests of its sets and of the weights that it starts from."""
    write_run_file(folder / _RUN, run)
    (folder / _DATA).write_text(json.dumps(_digests(run), indent=2) + "\n")


def _digests(run: RunFile) -> dict[str, str]:
    folders = {spec.path for spec in (*run.train_sets, *run.validation_sets)} | {run.model.base}
    found = {path: folder_key(Path(path), suffixes=_DATA_FILES) for path in sorted(folders) if Path(path).is_dir()}
    tokenizer = Path(run.model.tokenizer or run.model.base) / _TOKENIZER
    return {**found, str(tokenizer): file_key(tokenizer)} if tokenizer.is_file() else found


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Nested settings under dotted keys; a list of mappings has a number for a key: `train_sets.0.path`."""
    if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping) or (key and not value):
        return {key: list(value) if isinstance(value, tuple) else value}
    return {name: leaf for inner, item in value.items() for name, leaf in _flat(item, f"{key}.{inner}" if key else str(inner)).items()}
