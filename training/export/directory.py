"""A finished model directory: graphs, tokenizer, manifest and model card, from a training run's checkpoint.

Two exports of one checkpoint on one machine are byte-equal: nothing here reads a clock, and random words have a fixed seed. A directory
that is there already is replaced as a whole, and only by a finished one (training.export.placement).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import onnx

from sidecar.encoding import TextEncoder
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
from sidecar.ranker import SPECIAL_TOKENS
from training.bases import base_directory
from training.export.calibration import calibration_batches
from training.export.card import model_card
from training.export.graph import Int8
from training.export.networks import bi_encoder_graph, cross_encoder_graph, document_graph, has_own_graph, query_graph
from training.export.outliers import divisors
from training.export.placement import CARD, replacing
from training.export.quantize import quantize, quantize_calibrated
from training.export.traced import traced_pairs, traced_vectors
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import CrossEncoder
from training.models.decomposed import DecomposedCrossEncoder
from training.networks import build_collate, check_positions, known_positions, load_network, load_text_encoder
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
    divide_outliers: bool = True,
) -> Manifest:
    """Write the model directory of a finished run's folder, or of a run file, whose base is then taken as it is.

    `int8=False` keeps the float graph, for the gate to compare with; with the training set `calibration`, int8 is static. Its outliers
    (training.export.outliers) are divided unless `divide_outliers` is off, which is for comparing. The card of int8 says that no gate has
    seen it. An export that fails leaves `output` as it was.
    """
    run = read_run_file(source / "run.yaml" if source.is_dir() else source)
    checkpoint = source / "model" if source.is_dir() else Path(base_directory(run.model.base))
    if source.is_dir() and not (checkpoint / "config.json").is_file():
        raise ValueError(f"the run {source} is not finished: `rerank train` with the same file and --out goes on with it")
    template = run.template
    if max_document_tokens is not None:
        template = msgspec.structs.replace(template, max_document_tokens=max_document_tokens)
    trained = Trained(run, checkpoint, template)
    with replacing(output) as made:
        return _write(trained, made, info, int8=int8, calibration=calibration, divide_outliers=divide_outliers)


@dataclass(frozen=True, slots=True)
class Trained:
    """What is exported: a run, its checkpoint's folder, and the template that the model is to read texts by."""

    run: RunFile
    checkpoint: Path
    template: Template

    def encoder(self) -> TextEncoder:
        """The checkpoint's tokenizer under the template."""
        return load_text_encoder(str(self.checkpoint), self.template)


def _write(trained: Trained, output: Path, info: ModelInfo, *, int8: bool, calibration: Path | None, divide_outliers: bool) -> Manifest:
    graphs, settings = build_graphs(trained, int8=int8, divide_outliers=divide_outliers)
    if calibration is not None and settings["kind"] != "cross-encoder":
        raise ValueError(f"static quantization is there for cross-encoders: a {settings['kind']} is exported with --quantization dynamic")
    for name, graph in graphs.items():
        onnx.save(_quantized(graph, calibration, trained) if int8 else graph, output / name)
    shutil.copyfile(trained.checkpoint / "tokenizer.json", output / "tokenizer.json")
    quality = {**info.quality, **(NOT_GATED if int8 else {})}
    manifest = _manifest(trained, info, output, sorted(graphs), {**settings, "quality": quality})
    write_manifest(output, manifest)
    (output / CARD).write_text(model_card(manifest, info.summary))
    return manifest


def _quantized(graph: onnx.ModelProto, calibration: Path | None, trained: Trained) -> onnx.ModelProto:
    if calibration is None:
        return quantize(graph)
    inputs = frozenset(node.name for node in graph.graph.input)
    return quantize_calibrated(graph, calibration_batches(calibration, trained.encoder(), inputs))


def build_graphs(trained: Trained, *, int8: bool, divide_outliers: bool = True) -> tuple[dict[str, onnx.ModelProto], dict[str, Any]]:
    """The float graphs of a checkpoint by file name (for int8 with embeddings in int8 rows and outliers divided), and manifest entries."""
    template, spec = trained.template, trained.run.model
    network = load_network(spec, trained.checkpoint).eval()
    check_positions(spec, template, known_positions(network))
    form = _int8(trained, network, divide_outliers) if int8 else None
    config: Any = network.config
    settings = {"kind": spec.kind, "layers": config.num_hidden_layers, "hidden_size": config.hidden_size}
    if isinstance(network, CrossEncoder):
        if network.fresh:
            raise ValueError(
                f"{trained.checkpoint} has no trained head ({network.fresh[0]}), and one drawn at random would order hits at random: "
                "`rerank train` first"
            )
        pair = template.max_query_tokens + template.max_document_tokens + SPECIAL_TOKENS
        graph = cross_encoder_graph(network, limit=pair, int8=form) if has_own_graph(config) else traced_pairs(network)
        return {"model.onnx": graph}, settings
    if isinstance(network, BiEncoder):
        words = {"pooling": spec.pooling, "query_prefix": spec.query_prefix, "passage_prefix": spec.passage_prefix}
        # Texts that come without fields (`/v1/embed`) may be longer than a composed document.
        graph = bi_encoder_graph(network, limit=512, int8=form) if has_own_graph(config) else traced_vectors(network)
        return {"model.onnx": graph}, {**settings, "kind": "embedder", **words}
    assert isinstance(network, DecomposedCrossEncoder)
    split = Decomposition(
        lower_layers=network.lower_layers,
        upper_layers=config.num_hidden_layers - network.lower_layers,
        document_offset=network.document_offset,
        state_width=network.state_width,
    )
    graphs = {
        "document.onnx": document_graph(network, limit=template.max_document_tokens + 1, int8=form),
        "model.onnx": query_graph(network, limit=network.document_offset, int8=form),
    }
    return graphs, {**settings, "decomposition": split}


def _int8(trained: Trained, network: Any, divide_outliers: bool) -> Int8:
    if not divide_outliers or not has_own_graph(network.config):
        return Int8()
    encoder = trained.encoder()
    return Int8(divisors(network, encoder, build_collate(trained.run.model, encoder)))


def _manifest(trained: Trained, info: ModelInfo, output: Path, graphs: list[str], settings: Mapping[str, Any]) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=info.name,
        version=info.version,
        files={name: file_sha256(output / name) for name in [*graphs, "tokenizer.json"]},
        base=info.base or trained.run.model.base,
        template=trained.template,
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
