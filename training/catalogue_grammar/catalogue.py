"""YAML files → frozen catalogue of product types, brands and phrases.

Everything is validated here, once: the generator never meets an unknown type, an empty value list or a dangling reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from training.catalogue_grammar.wording import singular, tokens

FOLDER = Path(__file__).parent
KEYS = frozenset({"name", "also", "path", "values", "features", "accessories", "parts", "uses", "related", "models", "gifts"})


class GrammarError(ValueError):
    """A grammar file says something that the generator could not use."""


@dataclass(frozen=True)
class Feature:
    """A feature that a product states or denies; `negatives` is empty where nobody sells the contrary."""

    positive: str
    negatives: tuple[str, ...]
    noun: str | None


@dataclass(frozen=True)
class Accessory:
    """Something sold for a product: attached to its name ("sofa cover") or a complement with its own ("throw pillow")."""

    name: str
    attached: bool


@dataclass(frozen=True, eq=False)
class ProductType:
    """One kind of product; compared by identity, so that sets and caches of types stay cheap."""

    name: str
    names: tuple[str, ...]
    department: str
    path: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]
    features: tuple[Feature, ...]
    accessories: tuple[Accessory, ...]
    parts: tuple[str, ...]
    uses: tuple[str, ...]
    related: tuple[str, ...]
    gifts: tuple[str, ...]

    @property
    def attached(self) -> tuple[Accessory, ...]:
        """The accessories that shoppers name together with the product."""
        return tuple(accessory for accessory in self.accessories if accessory.attached)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All types with the indexes that traps need."""

    types: tuple[ProductType, ...]
    brands: Mapping[str, tuple[str, ...]]
    phrases: Mapping[str, tuple[str, ...]]
    by_name: Mapping[str, ProductType] = field(default_factory=dict)
    by_department: Mapping[str, tuple[ProductType, ...]] = field(default_factory=dict)
    by_token: Mapping[str, tuple[ProductType, ...]] = field(default_factory=dict)
    by_gift: Mapping[str, tuple[ProductType, ...]] = field(default_factory=dict)


def parse_feature(text: str) -> Feature:
    """`with lid | lidless` → a noun with its denials; `scented | unscented` → an adjective; `foldable` → never denied."""
    positive, _, rest = (part.strip() for part in text.partition("|"))
    negatives = tuple(part.strip() for part in rest.split(",") if part.strip())
    if not positive.startswith("with "):
        return Feature(positive, negatives, None)
    noun = positive.removeprefix("with ")
    return Feature(positive, (f"without {noun}", f"no {noun}", *negatives), noun)


def parse_accessory(text: str) -> Accessory:
    """`cover` is attached to the product's name, `~throw pillow` has its own."""
    return Accessory(text.removeprefix("~"), not text.startswith("~"))


def _values(entry: Mapping[str, Any], shared: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    raw = dict(entry.get("values", {}))
    if "models" in entry:
        raw["model"] = entry["models"]
    found: dict[str, tuple[str, ...]] = {}
    for kind, values in raw.items():
        listed = shared.get(values[1:], []) if isinstance(values, str) else values
        if len(listed) < 2:
            raise GrammarError(f"{entry['name']}: {kind} needs two values at least, or a known $set")
        found[kind] = tuple(str(value) for value in listed)
    return found


def _check_name(product: str, name: str, values: Mapping[str, tuple[str, ...]], features: tuple[Feature, ...]) -> None:
    """A synonym that says a value ("fleece blanket") would contradict the pages of all other values."""
    said = {singular(word) for word in tokens(name)}
    facts = [value for kind, options in values.items() if kind != "model" for value in options]
    facts += [text for feature in features if not feature.noun for text in (feature.positive, *feature.negatives)]
    for fact in facts:
        if {singular(word) for word in tokens(fact)} <= said:
            raise GrammarError(f"{product}: the synonym {name!r} says {fact!r}")


def parse_type(entry: Mapping[str, Any], department: str, shared: Mapping[str, list[str]]) -> ProductType:
    """One entry of a department's file."""
    if unknown := set(entry) - KEYS:
        raise GrammarError(f"{entry.get('name')}: unknown keys {sorted(unknown)}")
    values = _values(entry, shared)
    features = tuple(parse_feature(text) for text in entry.get("features", ()))
    for name in entry.get("also", ()):
        _check_name(entry["name"], name, values, features)
    return ProductType(
        name=entry["name"],
        names=(entry["name"], *entry.get("also", ())),
        department=department,
        path=(department, *(part.strip() for part in entry["path"].split(">"))),
        values=values,
        features=features,
        accessories=tuple(parse_accessory(text) for text in entry.get("accessories", ())),
        parts=tuple(entry.get("parts", ())),
        uses=tuple(entry.get("uses", ())),
        related=tuple(entry.get("related", ())),
        gifts=tuple(entry.get("gifts", ())),
    )


def read_yaml(path: Path) -> Any:
    """The plain contents of a grammar file."""
    # CSafeLoader reads the two hundred kilobytes ten times faster; not every PyYAML build has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)  # a safe loader in both cases


def _types(folder: Path, shared: Mapping[str, list[str]]) -> tuple[ProductType, ...]:
    found: list[ProductType] = []
    for path in sorted((folder / "products").glob("*.yaml")):
        for section in read_yaml(path):
            found += [parse_type(entry, section["department"], shared) for entry in section["types"]]
    return tuple(found)


def _group(pairs: list[tuple[str, ProductType]]) -> dict[str, tuple[ProductType, ...]]:
    groups: dict[str, dict[ProductType, None]] = {}
    for key, product in pairs:
        groups.setdefault(key, {})[product] = None
    return {key: tuple(members) for key, members in groups.items()}


def _check(types: tuple[ProductType, ...], brands: Mapping[str, tuple[str, ...]]) -> None:
    names = [product.name for product in types]
    if doubles := {name for name in names if names.count(name) > 1}:
        raise GrammarError(f"types named twice: {sorted(doubles)}")
    for product in types:
        if lost := set(product.related) - set(names):
            raise GrammarError(f"{product.name}: related types are unknown: {sorted(lost)}")
        if len(brands.get(product.department, ())) < 5:
            raise GrammarError(f"{product.department}: fewer than five brands")


@cache
def load_catalogue(folder: Path = FOLDER) -> Catalogue:
    """Read, validate and index the product grammar."""
    shared = read_yaml(folder / "shared.yaml")
    brands = {key: tuple(names) for key, names in read_yaml(folder / "brands.yaml").items()}
    types = _types(folder, shared)
    _check(types, brands)
    words = [(singular(word), product) for product in types for name in product.names for word in tokens(name)]
    return Catalogue(
        types=types,
        brands=brands,
        phrases={key: tuple(lines) for key, lines in read_yaml(folder / "phrases.yaml").items()},
        by_name={product.name: product for product in types},
        by_department=_group([(product.department, product) for product in types]),
        by_token=_group(words),
        by_gift=_group([(gift, product) for product in types for gift in product.gifts]),
    )
