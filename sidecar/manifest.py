"""A model directory's `manifest.json`: what training writes and the sidecar trusts, checked file by file at load.

Invariant: nothing outside the manifest decides how a model reads text or what its scores mean.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from sidecar.encoding import TemplateField, TextTemplate
from sidecar.errors import InvalidModel

FILE_NAME = "manifest.json"
FORMAT = 1

Kind = Literal["cross-encoder", "decomposed", "embedder"]
Transform = Literal["identity", "sigmoid"]


class FieldBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role of the text template, its token budget, and which end of a longer text is kept."""

    role: str
    tokens: int
    keep: Literal["head", "tail"] = "head"


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text template: fields in reading order, budgets in tokens."""

    fields: tuple[FieldBudget, ...]
    max_document_tokens: int
    max_query_tokens: int
    separator: str = "|"

    def text_template(self) -> TextTemplate:
        """The template as `sidecar.encoding` takes it."""
        fields = tuple(TemplateField(field.role, field.tokens, field.keep == "tail") for field in self.fields)
        return TextTemplate(fields, self.max_document_tokens, self.max_query_tokens, self.separator)


class DataSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of training data and its licence."""

    name: str
    licence: str
    use: str = ""


class Fusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A linear ranker over per-list features, fitted on validation queries (training.fusion, sidecar.fusion).

    score = bias + sum of weight x feature; a feature that the request does not carry counts as its neutral value. Queries of a kind in
    `off` (sidecar.query_kinds) keep the first pass's order: there the model was measured to harm.
    """

    weights: dict[str, float]
    bias: float = 0.0
    off: tuple[str, ...] = ()


class Decomposition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of a decomposed cross-encoder: how its two graphs fit together.

    `lower_layers` read query and document apart; document positions start at `document_offset`; a document's states are
    `state_width` numbers a token, stored as int8 with one scale a token.
    """

    lower_layers: int
    upper_layers: int
    document_offset: int
    state_width: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json`. `files` maps each file of the directory to its sha256; `quality` and `latency` hold measured figures."""

    format: int
    name: str
    version: str
    kind: Kind
    files: dict[str, str]
    base: str
    layers: int
    hidden_size: int
    template: Template
    transform: Transform = "identity"
    pooling: Literal["none", "mean", "cls"] = "none"
    query_prefix: str = ""
    passage_prefix: str = ""
    decomposition: Decomposition | None = None
    fusion: Fusion | None = None
    data: tuple[DataSource, ...] = ()
    quality: dict[str, Any] = {}
    latency: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """Identifies the model in caches and answers: two models with one key read texts alike and give equal logits."""
        graphs = {name: digest for name, digest in sorted(self.files.items()) if name.endswith((".onnx", ".onnx.data", "tokenizer.json"))}
        content = (graphs, self.template, self.pooling, self.query_prefix, self.passage_prefix, self.decomposition)
        return f"{self.name}:{self.version}:{hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:12]}"


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a model directory; raises InvalidModel where it is missing or not of this format."""
    path = directory / FILE_NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise InvalidModel(f"{directory} has no {FILE_NAME}: is it a model directory?") from None
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise InvalidModel(f"{path}: {error}") from error
    if manifest.format != FORMAT:
        raise InvalidModel(f"{path}: format {manifest.format} is not supported, this version reads format {FORMAT}")
    return manifest


def verify_files(directory: Path, manifest: Manifest) -> None:
    """Raise InvalidModel unless every file named by the manifest is there with its sha256."""
    for name, expected in manifest.files.items():
        path = directory / name
        if not path.is_file():
            raise InvalidModel(f"{path} is missing")
        found = file_sha256(path)
        if found != expected:
            raise InvalidModel(f"{path}: sha256 is {found}, the manifest says {expected}")


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, indented, keys in the order of the structure."""
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (directory / FILE_NAME).write_bytes(encoded + b"\n")


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
