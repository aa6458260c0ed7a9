"""A shipped model directory -> the same network as its users find others on a hub: an ordinary checkpoint with an ordinary int8 export.

model.onnx (our graph) -> weights by name, int8 rows and products made float again -> transformers checkpoint -> optimum's export -> int8

So the benchmark needs nothing but the repository. Invariant: weights are those of the shipped file; quantized again they are the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from tokenizers import Tokenizer

from sidecar.errors import InvalidModel
from sidecar.manifest import FieldBudget, Template, file_sha256, read_manifest, write_manifest

Weights = dict[str, npt.NDArray[np.float32]]
# Queries of the workloads have fewer tokens; the rest of the graph's positions is left to documents.
_MAX_QUERY_TOKENS = 24
_SPECIAL = 3
QUANTIZED = "model_quantized.onnx"
# Passages of 110 tokens and a query, rounded up.
POSITIONS = 128


@dataclass(frozen=True, slots=True)
class Variants:
    """One network in the forms that contestants load: two int8 files in the hub's layout, and two directories for the sidecar.

    `own` holds the shipped graph, `plain` an ordinary export, each sidecar directory is alone in its folder; `limit` is the longest pair in
    tokens that both can read.
    """

    own: Path
    plain: Path
    sidecar_own: Path
    sidecar_plain: Path
    limit: int


def make_variants(model: Path, folder: Path) -> Variants:
    """Write all forms of a shipped cross-encoder below `folder`."""
    manifest = read_manifest(model)
    if manifest.kind != "cross-encoder":
        raise InvalidModel(f"{model} is of kind {manifest.kind}: the peers read cross-encoders")
    graph = with_positions(onnx.load(model / "model.onnx"), POSITIONS)
    weights = recovered_weights(graph)
    limit = len(weights["embeddings.position_embeddings.weight"])
    checkpoint = folder / "checkpoint"
    write_checkpoint(weights, model / "tokenizer.json", checkpoint, layers=manifest.layers, heads=attention_heads(graph))
    plain = _hub_layout(checkpoint, folder / "plain", ordinary_export(checkpoint, folder / "export"))
    own = _hub_layout(checkpoint, folder / "own", with_column_output(graph))
    return Variants(
        own,
        plain,
        _sidecar_layout(model, graph, folder / "sidecar-own" / "shipped", limit),
        _sidecar_layout(model, onnx.load(plain / "onnx" / QUANTIZED), folder / "sidecar-plain" / "shipped", limit),
        limit,
    )


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


def ordinary_export(checkpoint: Path, folder: Path) -> onnx.ModelProto:
    """What a peer's user would make: optimum's export, then dynamic int8 weights."""
    from optimum.exporters.onnx import main_export  # noqa: PLC0415 - imports torch

    from training.export.quantize import quantize  # noqa: PLC0415

    main_export(str(checkpoint), output=folder, task="text-classification", do_validation=False)
    return quantize(onnx.load(folder / "model.onnx"))


def with_positions(graph: onnx.ModelProto, count: int) -> onnx.ModelProto:
    """The graph for pairs of so many tokens: positions beyond the shipped ones repeat these.

    A shipped graph keeps the positions that its own template needs, and passages are longer. What a pair costs is the same, and so is the
    network that all contestants compute.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    table = next((item for item in changed.graph.initializer if item.name == "positions_0"), None)
    if table is not None and table.dims[0] < count:
        rows = numpy_helper.to_array(table)
        table.CopyFrom(numpy_helper.from_array(np.resize(rows, (count, rows.shape[1])), table.name))
    return changed


def with_column_output(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with logits [batch, 1], as transformers' classifiers answer them; nothing else is changed."""
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    (output,) = changed.graph.output
    inner = f"{output.name}_flat"
    for node in changed.graph.node:
        node.output[:] = [inner if name == output.name else name for name in node.output]
    changed.graph.initializer.append(numpy_helper.from_array(np.asarray([1], dtype=np.int64), "column_axis"))
    changed.graph.node.append(helper.make_node("Unsqueeze", [inner, "column_axis"], [output.name], name="column"))
    column = helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, ["batch", 1])
    output.CopyFrom(column)
    return changed


def _hub_layout(checkpoint: Path, folder: Path, graph: onnx.ModelProto) -> Path:
    shutil.copytree(checkpoint, folder)
    (folder / "onnx").mkdir()
    onnx.save(graph, folder / "onnx" / QUANTIZED)
    return folder


def _sidecar_layout(model: Path, graph: onnx.ModelProto, folder: Path, limit: int) -> Path:
    """The model directory with one text as its only field, so that it reads as long documents as the peers."""
    folder.mkdir(parents=True)
    onnx.save(graph, folder / "model.onnx")
    shutil.copyfile(model / "tokenizer.json", folder / "tokenizer.json")
    documents = limit - _MAX_QUERY_TOKENS - _SPECIAL
    template = Template((FieldBudget("text", documents),), documents, _MAX_QUERY_TOKENS)
    files = {name: file_sha256(folder / name) for name in ("model.onnx", "tokenizer.json")}
    write_manifest(folder, msgspec.structs.replace(read_manifest(model), template=template, files=files, fusion=None))
    return folder


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
        return np.asarray(found[f"{name}.weight"].T)
    rows = found[f"{name}.weight_quantized"].astype(np.float32) - found[f"{name}.weight_zero_point"].astype(np.float32)
    return np.ascontiguousarray((rows * found[f"{name}.weight_scale"]).T.astype(np.float32))
