"""Offer → title, in the manners of real shops: short, comma lists of thirty words, capitals, dimension strings, codes.

`write_title` says which facts it showed; the document puts all others elsewhere, so nothing that is graded stays unsaid.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from training.catalogue_grammar.catalogue import Catalogue, Feature
from training.catalogue_grammar.offers import Offer
from training.catalogue_grammar.wording import AUDIENCES, POSSESSIVES, plural, spellings, titled

# How many facts each manner shows, and how often it is met.
MANNERS = {"short": (1, 25), "plain": (2, 25), "dashed": (3, 12), "capitals": (2, 6), "coded": (2, 8), "listed": (12, 24)}
_NAMES = tuple(MANNERS)
_WEIGHTS = tuple(weight for _, weight in MANNERS.values())
BEHIND = frozenset({"size", "count", "model", "capacity", "length", "age", "fit", "width", "storage", "power"})


@dataclass(frozen=True)
class Fact:
    """One thing an offer says: a value of a kind, a feature stated or denied, a use."""

    kind: str
    text: str
    ahead: bool


@dataclass(frozen=True)
class Page:
    """What a title is made of: the facts to show, the name to use, and the brand where it is shown."""

    offer: Offer
    facts: list[Fact]
    head: str
    brand: str


def value_fact(kind: str, value: str, rng: Random) -> Fact:
    """The value in one of its spellings, with its place before or behind the product's name."""
    if kind == "audience" and value in AUDIENCES:
        ahead = rng.random() < 0.6
        return Fact(kind, POSSESSIVES.get(value, value) if ahead else f"for {value}", ahead)
    text = rng.choice(spellings(value)) if rng.random() < 0.5 else value
    if kind == "model":
        return Fact(kind, f"{rng.choice(('for', 'for', 'compatible with', 'fits'))} {text}", False)
    return Fact(kind, text, kind not in BEHIND and not any(letter.isdigit() for letter in text))


def feature_fact(feature: Feature, wanted: bool, rng: Random) -> Fact:
    """A feature affirmed or denied."""
    text = feature.positive if wanted else rng.choice(feature.negatives)
    if not wanted and feature.noun and rng.random() < 0.12:
        text = rng.choice((f"{feature.noun} not included", f"{feature.noun} sold separately"))
    joined = text.startswith(("with ", "without ", "no ")) or len(text.split()) > 2
    return Fact("feature" if wanted else "denial", text, not joined)


def facts_of(offer: Offer, rng: Random) -> list[Fact]:
    """Everything the offer says, in random order."""
    facts = [value_fact(kind, value, rng) for kind, value in offer.values.items()]
    facts += [feature_fact(feature, wanted, rng) for feature, wanted in offer.stated.items()]
    facts += [Fact("use", f"for {use}", False) for use in offer.uses]
    if offer.gift is not None:
        facts.append(Fact("gift", rng.choice(("gift for {}", "gifts for {}", "great gift for {}")).format(offer.gift), False))
    rng.shuffle(facts)
    return facts


def head_name(offer: Offer, rng: Random) -> str:
    """What the thing is called on this page."""
    if offer.novelty is not None:
        return offer.novelty
    product, accessory = offer.product, offer.accessory
    if accessory is None:
        return product.name if rng.random() < 0.55 else rng.choice(product.names)
    return accessory_name(offer, rng) if accessory.attached else accessory.name


def accessory_name(offer: Offer, rng: Random) -> str:
    """ "filter for robot vacuum", "robot vacuum filter", "replacement filter compatible with Zentro RV-200 robot vacuum"."""
    assert offer.accessory is not None
    name = offer.product.name if rng.random() < 0.7 else rng.choice(offer.product.names)
    maker = " ".join(part for part in (offer.fits_brand, offer.fits_code) if part)
    if maker or rng.random() < 0.5:
        joint = rng.choice(("for", "for", "compatible with", "fits", "replacement for"))
        return f"{offer.accessory.name} {joint} {maker + ' ' if maker else ''}{name if maker else plural(name)}"
    return f"{name} {offer.accessory.name}"


def write_title(offer: Offer, facts: list[Fact], catalogue: Catalogue, rng: Random) -> tuple[str, int, bool]:
    """The title, how many of the leading facts it shows, and whether it names the brand."""
    # Pages that say much say it in the title.
    manner = "listed" if len(facts) > 5 and rng.random() < 0.6 else rng.choices(_NAMES, _WEIGHTS)[0]
    shown = min(len(facts), MANNERS[manner][0])
    if manner != "listed" and rng.random() < 0.25:
        shown = 0
    head, part = head_name(offer, rng), facts[:shown]
    branded = rng.random() < 0.7
    page = Page(offer, part, head, offer.brand if branded else "")
    text = _listed(page, catalogue, rng) if manner == "listed" else _plain(page, manner, rng)
    if offer.stuffing:
        text += " for " + ", ".join(titled(plural(word)) for word in offer.stuffing)
    return (text.upper() if manner == "capitals" else text), shown, branded


def _plain(page: Page, manner: str, rng: Random) -> str:
    facts, head, brand, code = page.facts, page.head, page.brand, page.offer.code
    if manner == "dashed":
        name = " ".join(part for part in (brand, titled(head)) if part)
        return rng.choice((" - ", " | ", ", ")).join([name, *(titled(fact.text) for fact in facts), *([code] if code else [])])
    ahead = [fact.text for fact in facts if fact.ahead]
    behind = [fact.text for fact in facts if not fact.ahead]
    if manner == "coded" and code:
        ahead.insert(0, code)
    body = " ".join([*ahead, head])
    body = body if rng.random() < 0.1 else titled(body)
    text = f"{brand} {body}" if brand else body
    for item in behind:
        joined = item.startswith(("for ", "with", "no ", "compatible", "fits"))
        text += f" {item.split()[0]} {titled(' '.join(item.split()[1:]))}" if joined else f", {titled(item)}"
    if manner != "coded" and code:
        text += f" {code}" if rng.random() < 0.5 else f" ({code})"
    return text


def _listed(page: Page, catalogue: Catalogue, rng: Random) -> str:
    offer, facts, head, brand = page.offer, page.facts, page.head, page.brand
    ahead = [fact.text for fact in facts if fact.ahead][:2]
    rest = [fact.text for fact in facts if fact.text not in ahead]
    if rng.random() < 0.5:
        ahead.insert(0, rng.choice(catalogue.phrases["praise"]))
    if offer.accessory is None and offer.novelty is None:
        others = [name for name in offer.product.names if name != head]
        for name in rng.sample(others, rng.randint(0, len(others))):
            rest.insert(rng.randrange(len(rest) + 1), name)
    for fragment in rng.sample(catalogue.phrases["fragments"], rng.randint(0, 3)):
        rest.insert(rng.randrange(len(rest) + 1), fragment)
    if offer.code is not None:
        rest.append(offer.code)
    tail = ""
    if len(rest) > 2 and rng.random() < 0.3:
        tail = f" ({', '.join(titled(item) for item in rest[-2:])})"
        rest = rest[:-2]
    body = titled(" ".join([*ahead, head]))
    first = f"{brand} {body}" if brand else body
    return rng.choice((", ", ", ", " - ")).join([first, *(titled(item) for item in rest)]) + tail
