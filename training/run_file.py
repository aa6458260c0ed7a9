"""One YAML file describes a training run: parsed and validated here, and kept beside the model it made.

An unknown key, a wrong type or an impossible value is refused with its path in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from sidecar.manifest import FieldBudget, Template, read_manifest
from training.bases import BASES
from training.batches import Noise
from training.export.recovered import is_model_directory
from training.losses import Mixture, Target, mixture

Count = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Chance = Annotated[float, msgspec.Meta(ge=0, le=1)]
ModelKind = Literal["cross-encoder", "decomposed", "bi-encoder"]

DEFAULT_TEMPLATE = Template(
    fields=tuple(
        FieldBudget(role, tokens, "tail" if role == "category" else "head")
        for role, tokens in (
            ("title", 40),
            ("brand", 8),
            ("color", 8),
            ("size", 8),
            ("category", 14),
            ("attributes", 16),
            ("creator", 20),
            ("tags", 16),
            ("year", 2),
            ("description", 64),
        )
    ),
    max_document_tokens=96,
    max_query_tokens=30,
)


class LossSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A loss of the mixture: its weight, its own parameters, and what it reads where that is not the usual."""

    weight: NotNegative = 1.0
    parameters: dict[str, bool | int | float] = {}
    target: Target | None = None


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network and what it starts from: a known base's name, a directory, or a hub id."""

    base: str
    kind: ModelKind = "cross-encoder"
    tokenizer: str | None = None
    layers: tuple[int, ...] | None = None
    lower_layers: Count = 2
    document_offset: Count = 32
    state_width: Count | None = None
    pooling: Literal["mean", "cls"] = "mean"
    query_prefix: str = ""
    passage_prefix: str = ""
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1

    def __post_init__(self) -> None:
        idle = [
            name
            for kind, names in _SETTINGS_OF_A_KIND.items()
            for name in names
            if kind != self.kind and getattr(self, name) != _DEFAULTS[name]
        ]
        if idle:
            raise ValueError(f"{', '.join(idle)} would do nothing: model.kind is {self.kind}")


# What one kind of network has alone.
_SETTINGS_OF_A_KIND: Mapping[str, tuple[str, ...]] = {
    "decomposed": ("lower_layers", "document_offset", "state_width"),
    "bi-encoder": ("pooling", "query_prefix", "passage_prefix"),
}
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(ModelSpec)}


class DataSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training set: one with `repeat` 3 is seen three times an epoch, of one with `limit` only that many lists are read."""

    path: str
    repeat: Count = 1
    limit: Count | None = None


class NoiseSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Augmentation (training.batches.Noise), all chances from 0 to 1."""

    drop_field: Chance = 0.0
    drop_token: Chance = 0.0
    typo: Chance = 0.0

    def noise(self) -> Noise | None:
        """The noise, or none where every chance is zero."""
        noise = Noise(self.drop_field, self.drop_token, self.typo)
        return None if noise == Noise() else noise


class TrainSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimisation.

    `max_hits` is the batch size in (query, hit) pairs, `max_tokens` in documents' tokens, padding counted (none: no limit); -1 `max_steps`
    leaves the end to `epochs`.
    """

    epochs: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    max_steps: int = -1
    learning_rate: NotNegative = 5e-5
    warmup_ratio: Chance = 0.06
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    weight_decay: NotNegative = 0.01
    max_hits: Annotated[int, msgspec.Meta(ge=2)] = 256
    max_tokens: Count | None = None
    accumulation: Count = 1
    max_grad_norm: NotNegative = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 13
    bf16: bool = True
    workers: Annotated[int, msgspec.Meta(ge=0)] = 0
    eval_steps: Count = 200
    patience: Count | None = None
    freeze_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.max_steps != -1 and self.max_steps < 1:
            raise ValueError(f"max_steps is {self.max_steps}: set 1 or more, or -1 to train for `epochs`")


class RunFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run."""

    name: str
    model: ModelSpec
    train_sets: tuple[DataSpec, ...] = ()
    losses: dict[str, LossSpec] = msgspec.field(default_factory=lambda: {"kl": LossSpec()})
    validation_sets: tuple[DataSpec, ...] = ()
    template: Template = DEFAULT_TEMPLATE
    train: TrainSpec = TrainSpec()
    noise: NoiseSpec = NoiseSpec()

    def __post_init__(self) -> None:
        self.mixture()
        if self.train.patience is not None and not self.validation_sets:
            raise ValueError("train.patience would do nothing: there are no validation_sets to watch")
        if self.model.kind == "decomposed" and self.template.max_query_tokens + 2 > self.model.document_offset:
            raise ValueError(
                f"max_query_tokens {self.template.max_query_tokens} and its two special tokens "
                f"do not fit below document_offset {self.model.document_offset}"
            )

    def mixture(self) -> Mixture:
        """The losses as one callable."""
        return mixture(
            {name: spec.weight for name, spec in self.losses.items()},
            parameters={name: spec.parameters for name, spec in self.losses.items()},
            targets={name: spec.target for name, spec in self.losses.items() if spec.target is not None},
        )


def read_run_file(path: Path, overrides: dict[str, Any] | None = None) -> RunFile:
    """The run described by a YAML file; `overrides` are dotted keys (`train.seed`) set over it."""
    document = _read_yaml(path.read_text(), str(path))
    if not isinstance(document, dict):
        raise ValueError(f"{path} does not hold a mapping of settings")
    for key, value in (overrides or {}).items():
        _override(document, key, value)
    try:
        return msgspec.convert(_with_base_words(_with_base_template(document)), RunFile)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with one mend: `1e-4`, a text there for want of a point, is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _read_yaml(text: str, source: str) -> Any:
    """The value of a YAML text; raises ValueError with the line where it is not YAML."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{source}{line}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{source}: this is not YAML: {error}") from error


def _override(document: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    target = document
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise ValueError(f"{key} cannot be set: {parent} is {target!r}, which has no settings of its own; set it as a whole")
    target[last] = value


def _with_base_template(document: dict[str, Any]) -> dict[str, Any]:
    """Without a template of its own a run that starts from an exported model reads texts as that model does."""
    base = document["model"].get("base") if isinstance(document.get("model"), dict) else None
    if "template" in document or not isinstance(base, str) or not is_model_directory(Path(base)):
        return document
    return {**document, "template": msgspec.to_builtins(read_manifest(Path(base)).template)}


def _with_base_words(document: dict[str, Any]) -> dict[str, Any]:
    """A bi-encoder from a known base reads texts as that was published, where the file does not say otherwise."""
    model = document["model"] if isinstance(document.get("model"), dict) else {}
    base = BASES.get(str(model.get("base")))
    if base is None or model.get("kind") != "bi-encoder":
        return document
    published = {"pooling": base.pooling, "query_prefix": base.query_prefix, "passage_prefix": base.passage_prefix}
    return {**document, "model": {**published, **model}}


def parse_overrides(settings: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as overrides; the value is read as YAML: `train.seed=7`, `model.layers=[0, 2, 5]`."""
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise ValueError(f"{setting!r} is not of the form key=value")
        overrides[key] = _read_yaml(value, setting)
    return overrides


def write_run_file(path: Path, run: RunFile) -> None:
    """Write the run as YAML, every setting named."""
    path.write_text(yaml.safe_dump(msgspec.to_builtins(run), sort_keys=False))
