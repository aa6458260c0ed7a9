"""What is searched (`Intent`), what is sold (`Offer`), and the grade that follows from the two.

Grades come from these facts alone, never from the trap that built the offer: 3 exact, 2 one soft miss or a substitute,
1 same family, complement or a hard miss, 0 unrelated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from training.catalogue_grammar.catalogue import Accessory, Feature, ProductType
from training.catalogue_grammar.wording import satisfies, singular, tokens

EXACT, SUBSTITUTE, COMPLEMENT, IRRELEVANT = 3, 2, 1, 0
SOFT, HARD = 1, 2
# A shoe for the other sex or a case for another phone cannot be used at all, a red one instead of a blue one can.
HARD_KINDS = frozenset({"audience", "model"})


@dataclass(frozen=True)
class Intent:
    """A search: a product or one of its accessories, and what it must be like."""

    product: ProductType | None = None
    phrase: str = ""
    accessory: Accessory | None = None
    brand: str | None = None
    code: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    feature: Feature | None = None
    wanted: bool = True
    use: str | None = None
    gift: str | None = None


@dataclass(frozen=True)
class Offer:
    """A product on sale: only what its page says; whatever is not stated here stays unknown to the shopper."""

    product: ProductType
    brand: str
    values: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[Feature, bool] = field(default_factory=dict)
    uses: tuple[str, ...] = ()
    code: str | None = None
    accessory: Accessory | None = None
    fits_brand: str | None = None
    fits_code: str | None = None
    gift: str | None = None
    novelty: str | None = None
    stuffing: tuple[str, ...] = ()


def ambiguous(intent: Intent, offer: Offer) -> bool:
    """Whether the words may mean another type than the intended one: "sofa" and a sofa bed. Such a pair has no sure grade."""
    if intent.product is None or intent.accessory is not None or offer.accessory is not None:
        return False
    return offer.product is not intent.product and covers(intent.phrase, offer.product)


@cache
def covers(phrase: str, product: ProductType) -> bool:
    """Whether the phrase names the product: one of its names, or a wider one ("lamp" for a desk lamp)."""
    asked = [singular(word) for word in tokens(phrase)]
    for name in product.names:
        words = [singular(word) for word in tokens(name)]
        if words[-1] == asked[-1] and set(asked) <= set(words):
            return True
    return False


@cache
def same_head(one: ProductType, other: ProductType) -> bool:
    """Coffee table and dining table: one department, one noun."""
    heads = {singular(tokens(name)[-1]) for name in one.names}
    return one.department == other.department and any(singular(tokens(name)[-1]) in heads for name in other.names)


def grade(intent: Intent, offer: Offer) -> int:
    """The grade of an offer for a search."""
    if offer.novelty is not None or offer.stuffing:
        return IRRELEVANT
    if intent.gift is not None:
        return _gift_grade(intent.gift, offer)
    if intent.product is None:
        return _brand_grade(intent, offer)
    kinship = _kinship(intent, offer)
    if kinship <= COMPLEMENT:
        return kinship
    return max(COMPLEMENT, kinship - cost(intent, offer, kinship == EXACT))


def _gift_grade(gift: str, offer: Offer) -> int:
    if offer.gift == gift:
        return EXACT
    if gift in offer.product.gifts and offer.gift is None:
        return SUBSTITUTE
    return COMPLEMENT if gift in offer.product.gifts or offer.gift is not None else IRRELEVANT


def _brand_grade(intent: Intent, offer: Offer) -> int:
    if offer.brand == intent.brand:
        return EXACT
    return COMPLEMENT if offer.fits_brand == intent.brand else IRRELEVANT


def _kinship(intent: Intent, offer: Offer) -> int:
    product = intent.product
    assert product is not None
    if intent.accessory is not None:
        return _accessory_kinship(intent.accessory, product, offer)
    if offer.accessory is not None:
        return COMPLEMENT if offer.product is product else IRRELEVANT
    if offer.product is product:
        return EXACT
    if offer.product.name in product.related or product.name in offer.product.related:
        return SUBSTITUTE
    return COMPLEMENT if same_head(product, offer.product) else IRRELEVANT


def _accessory_kinship(accessory: Accessory, product: ProductType, offer: Offer) -> int:
    if offer.product is product:
        return EXACT if offer.accessory == accessory else COMPLEMENT
    return COMPLEMENT if offer.accessory == accessory else IRRELEVANT


def cost(intent: Intent, offer: Offer, demanding: bool) -> int:
    """How much of the search the offer misses; a substitute (`demanding` false) is not blamed for its silence."""
    silent = SOFT if demanding else 0
    total = sum(_value_cost(kind, asked, offer, silent) for kind, asked in intent.values.items())
    total += _brand_cost(intent, offer, silent)
    if intent.feature is not None:
        said = _said(intent.feature, offer)
        total += silent if said is None else 0 if said == intent.wanted else HARD
    if intent.use is not None and intent.use not in offer.uses:
        total += silent
    return total


def _said(feature: Feature, offer: Offer) -> bool | None:
    """Whether the page affirms or denies the feature; a related type may know it with other words of denial."""
    for stated, wanted in offer.stated.items():
        if stated.positive == feature.positive:
            return wanted
    return None


def _value_cost(kind: str, asked: str, offer: Offer, silent: int) -> int:
    offered = offer.values.get(kind)
    if offered is None:
        return silent
    if satisfies(kind, asked, offered):
        return 0
    return HARD if kind in HARD_KINDS else SOFT


def _brand_cost(intent: Intent, offer: Offer, silent: int) -> int:
    brand, code = (offer.fits_brand, offer.fits_code) if intent.accessory else (offer.brand, offer.code)
    total = 0
    if intent.brand is not None and brand != intent.brand:
        total += silent if brand is None else HARD if intent.accessory else SOFT
    if intent.code is not None and code != intent.code:
        total += SOFT
    return total
