"""A shipped model directory -> the same network as its users find others on a hub: an ordinary checkpoint with an ordinary int8 export.

model.onnx (our graph) -> transformers checkpoint (training.export.recovered) -> optimum's export -> int8

So the benchmark needs nothing but the repository. Invariant: weights are those of the shipped file; quantized again they are the same.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from sidecar.errors import InvalidModel
from sidecar.manifest import FieldBudget, Template, file_sha256, read_manifest, write_manifest
from training.export.recovered import attention_heads, recovered_weights, write_checkpoint

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
