"""A model directory's graph -> the checkpoint it was exported from, so that a training may start from what is served.

model.onnx (our graph) -> weights by name, int8 rows and products made float again -> transformers checkpoint

Invariant: weights are those of the file. An export of them finds its divisors anew (training.export.outliers), and those may differ.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from tokenizers import Tokenizer

from sidecar.errors import InvalidModel
from sidecar.manifest import FILE_NAME, file_sha256, read_manifest, verify_files
from training.export.graph import EVENED

Weights = dict[str, npt.NDArray[np.float32]]


def is_model_directory(directory: Path) -> bool:
    """Whether the folder is an exported model, not a checkpoint."""
    return (directory / FILE_NAME).is_file()


def recover_checkpoint(model: Path, cache: Path) -> Path:
    """The checkpoint of an exported cross-encoder, written into the cache once; raises InvalidModel for other kinds."""
    manifest = read_manifest(model)
    if manifest.kind != "cross-encoder":
        raise InvalidModel(f"{model} is of kind {manifest.kind}: training can start from an exported cross-encoder, or from a run's model/")
    verify_files(model, manifest)
    target = cache / f"{manifest.name}-{file_sha256(model / 'model.onnx')[:12]}"
    if not target.is_dir():
        graph = onnx.load(model / "model.onnx")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".recovering-") as folder:
            made = Path(folder) / "checkpoint"
            write_checkpoint(recovered_weights(graph), model / "tokenizer.json", made, layers=manifest.layers, heads=attention_heads(graph))
            made.rename(target)
    return target


def recovered_weights(graph: onnx.ModelProto) -> Weights:
    """A shipped cross-encoder's float weights under transformers' names; raises InvalidModel where the graph has other ones."""
    found = {item.name: numpy_helper.to_array(item) for item in graph.graph.initializer}
    try:
        return _embeddings(found) | _layers(found) | _head(found)
    except KeyError as error:
        raise InvalidModel(f"the graph has no {error}: it was exported by another version") from error


def attention_heads(graph: onnx.ModelProto) -> int:
    """From the last layer's folded key projection [heads, depth, hidden]."""
    return int(next(item.dims[0] for item in graph.graph.initializer if item.name.endswith(".key.folded")))


def write_checkpoint(weights: Weights, tokenizer: Path, folder: Path, *, layers: int, heads: int) -> None:
    """An ordinary transformers checkpoint of a one-label BERT classifier."""
    import torch  # noqa: PLC0415 - slow to import
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415

    vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
    positions = len(weights["embeddings.position_embeddings.weight"])
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=len(weights["encoder.layer.0.intermediate.dense.bias"]),
        max_position_embeddings=positions,
        num_labels=1,
    )
    network = BertForSequenceClassification(config)
    state = {name if name.startswith("classifier") else f"bert.{name}": torch.from_numpy(array.copy()) for name, array in weights.items()}
    network.load_state_dict(state)
    network.save_pretrained(folder)
    # Without a fixed length: every program pads and cuts as it does of its own.
    bare = Tokenizer.from_file(str(tokenizer))
    bare.no_padding()
    bare.no_truncation()
    bare.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": positions, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1))


def _embeddings(found: Mapping[str, Any]) -> Weights:
    name = "embeddings"
    words = found["words"]
    if "words.scale" in found:
        words = words.astype(np.float32) * found["words.scale"]
    return {
        f"{name}.word_embeddings.weight": words,
        f"{name}.position_embeddings.weight": found["positions_0"],
        f"{name}.token_type_embeddings.weight": found["types"],
        f"{name}.LayerNorm.weight": found[f"{name}.LayerNorm.weight"],
        f"{name}.LayerNorm.bias": found[f"{name}.LayerNorm.bias"],
    }


def _layers(found: Mapping[str, Any]) -> Weights:
    weights: Weights = {}
    biases = [name for name in found if name.startswith("encoder.layer.") and name.endswith(".bias")]
    for name in (bias.removesuffix(".bias") for bias in biases):
        if name.endswith("LayerNorm"):
            weights |= {f"{name}.weight": found[f"{name}.weight"], f"{name}.bias": found[f"{name}.bias"]}
            continue
        prefix, _, last = name.rpartition(".")
        if f"{name}.folded" in found:
            weights |= _unfolded(found, prefix)
            continue
        # Joined projections: one product for query, key and value.
        parts = {"qkv": ("query", "key", "value")}.get(last, (last,))
        pieces = zip(parts, np.split(_matrix(found, name), len(parts)), np.split(found[f"{name}.bias"], len(parts)), strict=True)
        for part, matrix, bias in pieces:
            weights |= {f"{prefix}.{part}.weight": matrix, f"{prefix}.{part}.bias": bias}
    return weights


def _unfolded(found: Mapping[str, Any], layer: str) -> Weights:
    """Key and value of the layer that never computes them (training.export.folded). Its keys' bias changes no score: zero does."""
    keys, values = found[f"{layer}.key.folded"], found[f"{layer}.value.folded"]
    _, depth, hidden = keys.shape
    return {
        f"{layer}.key.weight": keys.reshape(-1, hidden) * np.float32(depth**0.5),
        f"{layer}.key.bias": np.zeros(hidden, dtype=np.float32),
        f"{layer}.value.weight": values.transpose(0, 2, 1).reshape(-1, hidden),
        f"{layer}.value.bias": found[f"{layer}.value.bias"],
    }


def _head(found: Mapping[str, Any]) -> Weights:
    return {
        "pooler.dense.weight": _matrix(found, "pooler"),
        "pooler.dense.bias": found["pooler.bias"],
        "classifier.weight": found["classifier.weight"][None, :],
        "classifier.bias": found["classifier.bias"],
    }


def _matrix(found: Mapping[str, Any], name: str) -> npt.NDArray[np.float32]:
    """A product's weights in torch's layout [out, in], from float or from int8 with its scales."""
    if f"{name}.weight" in found:
        matrix = found[f"{name}.weight"].T
    else:
        rows = found[f"{name}.weight_quantized"].astype(np.float32) - found[f"{name}.weight_zero_point"].astype(np.float32)
        matrix = (rows * found[f"{name}.weight_scale"]).T.astype(np.float32)
    return np.ascontiguousarray(matrix * found.get(f"{name}.{EVENED}", np.float32(1)))
