"""A finished model directory: graphs, tokenizer, manifest and model card, from a training run's checkpoint.

Two exports of one checkpoint are byte-equal: nothing here reads a clock or a random number. A directory that is there already is replaced
as a whole, and only by a finished one (training.export.placement).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import onnx
from torch import nn

from sidecar.manifest import (
    FILE_NAME,
    FORMAT,
    DataSource,
    Decomposition,
    Fusion,
    Manifest,
    Template,
    file_sha256,
    read_manifest,
    write_manifest,
)
from training.bases import base_directory
from training.export.calibration import calibration_batches
from training.export.card import model_card
from training.export.graph import Int8
from training.export.networks import bi_encoder_graph, cross_encoder_graph, document_graph, has_own_graph, query_graph
from training.export.outliers import divisors
from training.export.placement import CARD, replacing
from training.export.quantize import quantize, quantize_calibrated
from training.export.traced import traced_pairs, traced_vectors
from training.models.bi_encoder import load_bi_encoder
from training.models.cross_encoder import load_cross_encoder
from training.models.decomposed import load_decomposed
from training.networks import build_collate, load_text_encoder
from training.run_file import RunFile, read_run_file

# What a card says of int8 weights that no gate has seen.
NOT_GATED = {"not gated": "int8 was not compared with float on judged lists"}


class ModelInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the card says of a model and no checkpoint knows."""

    name: str
    version: str
    summary: str
    base: str
    data: tuple[DataSource, ...]
    fusion: Fusion | None = None
    quality: dict[str, Any] = {}
    latency: dict[str, Any] = {}


def read_model_info(path: Path) -> ModelInfo:
    """A model's description from YAML; refuses unknown keys, with a ValueError that names the file."""
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=ModelInfo, strict=True)
    except ValueError as error:
        known = ", ".join(ModelInfo.__struct_fields__)
        raise ValueError(f"{path}: {error}. A model's description has {known}; an item of data has name, licence, use") from error


def export(
    source: Path,
    output: Path,
    info: ModelInfo,
    *,
    int8: bool = True,
    calibration: Path | None = None,
    max_document_tokens: int | None = None,
) -> Manifest:
    """Write the model directory of a finished run's folder, or of a run file, whose base is then taken as it is.

    `int8=False` keeps the float graph, for the gate to compare with; with the training set `calibration`, int8 is static. The card of int8
    says that no gate has seen it. An export that fails leaves `output` as it was.
    """
    with replacing(output) as made:
        return _write(source, made, info, int8=int8, calibration=calibration, max_document_tokens=max_document_tokens)


def _write(
    source: Path, output: Path, info: ModelInfo, *, int8: bool, calibration: Path | None, max_document_tokens: int | None
) -> Manifest:
    run = read_run_file(source / "run.yaml" if source.is_dir() else source)
    checkpoint = source / "model" if source.is_dir() else Path(base_directory(run.model.base))
    template = run.template
    if max_document_tokens is not None:
        template = msgspec.structs.replace(template, max_document_tokens=max_document_tokens)
    graphs, settings = build_graphs(run, checkpoint, template, int8=int8)
    if calibration is not None and settings["kind"] != "cross-encoder":
        raise ValueError(f"static quantization is there for cross-encoders: a {settings['kind']} is exported with --quantization dynamic")
    for name, graph in graphs.items():
        onnx.save(_quantized(graph, calibration, checkpoint, template) if int8 else graph, output / name)
    shutil.copyfile(checkpoint / "tokenizer.json", output / "tokenizer.json")
    quality = {**info.quality, **(NOT_GATED if int8 else {})}
    manifest = _manifest(run, info, template, output, sorted(graphs), {**settings, "quality": quality})
    write_manifest(output, manifest)
    (output / CARD).write_text(model_card(manifest, info.summary))
    return manifest


def _quantized(graph: onnx.ModelProto, calibration: Path | None, checkpoint: Path, template: Template) -> onnx.ModelProto:
    if calibration is None:
        return quantize(graph)
    inputs = frozenset(node.name for node in graph.graph.input)
    return quantize_calibrated(graph, calibration_batches(calibration, checkpoint / "tokenizer.json", template, inputs))


def build_graphs(run: RunFile, checkpoint: Path, template: Template, *, int8: bool) -> tuple[dict[str, onnx.ModelProto], dict[str, Any]]:
    """The float graphs of a checkpoint by file name (embeddings already in int8 rows where asked), and their manifest entries."""
    pair = template.max_query_tokens + template.max_document_tokens + 3
    if run.model.kind == "cross-encoder":
        network = load_cross_encoder(str(checkpoint)).eval()
        shape = {"layers": network.config.num_hidden_layers, "hidden_size": network.config.hidden_size}
        if not has_own_graph(network.config):
            return {"model.onnx": traced_pairs(network)}, {"kind": "cross-encoder", **shape}
        graph = cross_encoder_graph(network, limit=pair, int8=_int8(run, network, checkpoint, template, int8))
        return {"model.onnx": graph}, {"kind": "cross-encoder", **shape}
    if run.model.kind == "bi-encoder":
        encoder = load_bi_encoder(str(checkpoint), pooling=run.model.pooling).eval()
        settings = {
            "kind": "embedder",
            "layers": encoder.config.num_hidden_layers,
            "hidden_size": encoder.config.hidden_size,
            "pooling": run.model.pooling,
            "query_prefix": run.model.query_prefix,
            "passage_prefix": run.model.passage_prefix,
        }
        # Texts that come without fields (`/v1/embed`) may be longer than a composed document.
        if not has_own_graph(encoder.config):
            return {"model.onnx": traced_vectors(encoder)}, settings
        return {"model.onnx": bi_encoder_graph(encoder, limit=512, int8=_int8(run, encoder, checkpoint, template, int8))}, settings
    return _decomposed_graphs(run, checkpoint, template, int8=int8)


def _int8(run: RunFile, network: nn.Module, checkpoint: Path, template: Template, wanted: bool) -> Int8 | None:
    if not wanted:
        return None
    reader = load_text_encoder(str(checkpoint), template)
    return Int8(divisors(network, reader, build_collate(run.model, reader)))


def _decomposed_graphs(
    run: RunFile, checkpoint: Path, template: Template, *, int8: bool
) -> tuple[dict[str, onnx.ModelProto], dict[str, Any]]:
    network = load_decomposed(checkpoint).eval()
    layers = network.config.num_hidden_layers
    settings = {
        "kind": "decomposed",
        "layers": layers,
        "hidden_size": network.config.hidden_size,
        "decomposition": Decomposition(
            lower_layers=network.lower_layers,
            upper_layers=layers - network.lower_layers,
            document_offset=network.document_offset,
            state_width=network.state_width,
        ),
    }
    quantized = _int8(run, network, checkpoint, template, int8)
    graphs = {
        "document.onnx": document_graph(network, limit=template.max_document_tokens + 1, int8=quantized),
        "model.onnx": query_graph(network, limit=network.document_offset, int8=quantized),
    }
    return graphs, settings


def _manifest(run: RunFile, info: ModelInfo, template: Template, output: Path, graphs: list[str], settings: Mapping[str, Any]) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=info.name,
        version=info.version,
        files={name: file_sha256(output / name) for name in [*graphs, "tokenizer.json"]},
        base=info.base or run.model.base,
        template=template,
        fusion=info.fusion,
        data=info.data,
        latency=dict(info.latency),
        **settings,
    )


def annotate(directory: Path, summary: str | None = None, **changes: Any) -> Manifest:
    """Set entries of a written manifest (measured quality and latency, fusion) and write its card anew; the graphs stay."""
    manifest = msgspec.structs.replace(read_manifest(directory), **changes)
    write_manifest(directory, manifest)
    card = directory / CARD
    card.write_text(model_card(manifest, summary if summary is not None else _summary(card)))
    return manifest


def _summary(card: Path) -> str:
    """The card's first paragraph below its title; none where there is no card yet."""
    return card.read_text().split("\n\n")[1] if card.is_file() else ""


def describe(directory: Path) -> str:
    """The manifest as indented JSON."""
    return json.dumps(json.loads((directory / FILE_NAME).read_bytes()), indent=2)
