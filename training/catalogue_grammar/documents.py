"""Offer → the fields of a hit, keyed by the roles of the text template.

Each fact of the offer is written at least once: in the title, in its own field, among the attributes or in the description.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from training.catalogue_grammar.catalogue import Catalogue
from training.catalogue_grammar.offers import Offer
from training.catalogue_grammar.roles import FieldValue
from training.catalogue_grammar.titles import Fact, facts_of, write_title
from training.catalogue_grammar.wording import plural, sentence, titled

SIZES = frozenset({"size", "capacity", "length", "width"})
SAID = {
    "use": ("Perfect {0}.", "Great {0}.", "Ideal {0}.", "Made {0}."),
    "gift": ("A {0}.", "The perfect {0}."),
    "denial": ("{1}.", "Please note: {0}.", "{1} version."),
    "color": ("Color: {0}.", "Comes in {0}.", "{1} finish."),
    "size": ("Size: {0}.", "Measures {0}.", "{1}."),
    "material": ("Made of {0}.", "Crafted from {0}.", "Material: {0}."),
    "flavor": ("{1} flavor.", "Delicious {0} taste."),
    "scent": ("Scent: {0}.", "With a {0} fragrance."),
    "model": ("Designed {0}.", "Only {0}, please check your model."),
    "count": ("{1}.", "You get a {0}."),
}


def write_document(offer: Offer, catalogue: Catalogue, rng: Random) -> Mapping[str, FieldValue]:
    """One hit; empty roles are left out."""
    facts = facts_of(offer, rng)
    title, shown, branded = write_title(offer, facts, catalogue, rng)
    described = rng.random() < 0.67
    fields, told = _place(facts, shown, described, rng)
    fields["title"] = title
    if not branded or rng.random() < 0.85:
        fields["brand"] = offer.brand
    if rng.random() < 0.8:
        fields["category"] = _category(offer, rng)
    if described and (text := _describe(offer, told, catalogue, rng)):
        fields["description"] = text
    return fields


def _place(facts: list[Fact], shown: int, described: bool, rng: Random) -> tuple[dict[str, FieldValue], list[Fact]]:
    """The fields and attributes, and the facts left to the description."""
    fields: dict[str, FieldValue] = {}
    attributes: list[str] = []
    told: list[Fact] = []
    for index, fact in enumerate(facts):
        again = index < shown
        if fact.kind in {"feature", "denial", "use", "gift"}:
            if not again or rng.random() < 0.3:
                _tell(fact, described, told, attributes)
        elif again and rng.random() < 0.35:
            continue
        elif described and rng.random() < 0.25:
            told.append(fact)
        else:
            _fill(fact, fields, attributes)
    if attributes:
        fields["attributes"] = attributes
    return fields, told


def _tell(fact: Fact, described: bool, told: list[Fact], attributes: list[str]) -> None:
    if described:
        told.append(fact)
    else:
        attributes.append(sentence(fact.text))


def _fill(fact: Fact, fields: dict[str, FieldValue], attributes: list[str]) -> None:
    if fact.kind == "color":
        fields["color"] = titled(fact.text)
    elif fact.kind in SIZES and "size" not in fields:
        fields["size"] = titled(fact.text)
    else:
        attributes.append(f"{sentence(fact.kind)}: {fact.text}")


def _category(offer: Offer, rng: Random) -> list[str]:
    path = [titled(part) for part in offer.product.path]
    if offer.novelty is not None or offer.stuffing:
        return [rng.choice(("Gifts & Novelties", "Home Decor", "Arts & Crafts", "Everything Else"))]
    if offer.accessory is not None:
        path = [*path[:-1], f"{path[-1]} {rng.choice(('Accessories', 'Parts & Accessories', 'Accessories'))}"]
    return path[-1:] if rng.random() < 0.25 else path


def _describe(offer: Offer, told: list[Fact], catalogue: Catalogue, rng: Random) -> str:
    parts = [_say(fact, rng) for fact in told]
    if rng.random() < 0.7:
        parts.append(rng.choice(catalogue.phrases["filler"]))
    if not offer.novelty and not offer.stuffing:
        parts += _surroundings(offer, rng)
    if len(parts) > 1:
        rng.shuffle(parts)
    if rng.random() < 0.2:
        return " ".join(f"• {part}" for part in parts)
    return " ".join(parts)


def _say(fact: Fact, rng: Random) -> str:
    if fact.kind == "feature":
        return _say_feature(fact.text, rng)
    patterns = SAID.get(fact.kind, ("{1}.",) if fact.kind == "audience" else (f"{sentence(fact.kind)}: {{0}}.",))
    return rng.choice(patterns).format(fact.text, sentence(fact.text))


def _say_feature(text: str, rng: Random) -> str:
    if text.startswith("with "):
        return rng.choice(("Comes with {}.", "Includes {}.", "Equipped with {}.")).format(text.removeprefix("with "))
    return rng.choice(("{}.", "{} design.", "{}!")).format(sentence(text))


def _surroundings(offer: Offer, rng: Random) -> list[str]:
    """Words about other things: parts, what goes with it, what it is for. They mislead whoever counts words."""
    product = offer.product
    if offer.accessory is not None:
        return [f"{sentence(product.name)} not included."] if offer.accessory.attached and rng.random() < 0.5 else []
    said = []
    if product.parts and rng.random() < 0.35:
        said.append(f"Package includes: {', '.join(rng.sample(product.parts, min(2, len(product.parts))))}.")
    if product.accessories and rng.random() < 0.2:
        name = rng.choice(product.accessories).name
        said.append(rng.choice(("{} sold separately.", "Works well with our {}.", "See also our {}.")).format(plural(name)))
    return [sentence(part) for part in said]
