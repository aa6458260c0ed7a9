"""Chance → `Intent`, and `Intent` → the words that a shopper types.

A query states every constraint of its intent, so that a document can be graded by reading the query alone.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from training.catalogue_grammar.catalogue import Catalogue, Feature, ProductType
from training.catalogue_grammar.offers import Intent
from training.catalogue_grammar.wording import AUDIENCES, POSSESSIVES, mistype, plural, singular, spellings

TYPO_SHARE = 0.07


def draw_intent(catalogue: Catalogue, rng: Random) -> Intent:
    """One search, in the proportions of a shop's log."""
    draw = rng.choices((_product, _accessory, _brand, _code, _gift, _denial), (58, 12, 3, 4, 4, 19))[0]
    return draw(catalogue, rng)


def _any_type(catalogue: Catalogue, rng: Random, fit: Callable[[ProductType], bool] = lambda _: True) -> ProductType:
    while not fit(product := rng.choice(catalogue.types)):
        pass
    return product


def _phrase(product: ProductType, rng: Random) -> str:
    return product.name if rng.random() < 0.6 else rng.choice(product.names)


def _product(catalogue: Catalogue, rng: Random) -> Intent:
    product = _any_type(catalogue, rng)
    wishes = rng.choices((0, 1, 2, 3), (15, 42, 31, 12))[0]
    kinds = list(product.values)
    rng.shuffle(kinds)
    values = {kind: rng.choice(product.values[kind]) for kind in kinds[:wishes]}
    brand = use = feature = None
    if len(values) < wishes or rng.random() < 0.3:
        choice = rng.random()
        if choice < 0.3:
            brand = rng.choice(catalogue.brands[product.department])
        elif choice < 0.6 and product.uses:
            use = rng.choice(product.uses)
        elif product.features:
            feature = rng.choice(product.features)
    return Intent(product, _phrase(product, rng), None, brand, None, values, feature, True, use)


def _denial(catalogue: Catalogue, rng: Random) -> Intent:
    product = _any_type(catalogue, rng, lambda product: any(feature.negatives for feature in product.features))
    feature = rng.choice([feature for feature in product.features if feature.negatives])
    values: dict[str, str] = {}
    if product.values and rng.random() < 0.45:
        kind = rng.choice(list(product.values))
        values[kind] = rng.choice(product.values[kind])
    return Intent(product, _phrase(product, rng), values=values, feature=feature, wanted=rng.random() < 0.3)


def _accessory(catalogue: Catalogue, rng: Random) -> Intent:
    product = _any_type(catalogue, rng, lambda product: bool(product.attached))
    brand = code = None
    if rng.random() < 0.4:
        brand = rng.choice(catalogue.brands[product.department])
        code = draw_code(rng) if rng.random() < 0.4 else None
    accessory = rng.choice(product.attached)
    return Intent(product, _phrase(product, rng), accessory, brand, code)


def _brand(catalogue: Catalogue, rng: Random) -> Intent:
    return Intent(brand=rng.choice(catalogue.brands[_any_type(catalogue, rng).department]))


def _code(catalogue: Catalogue, rng: Random) -> Intent:
    product = _any_type(catalogue, rng, lambda product: bool(product.attached) or product.department == "Electronics")
    brand = rng.choice(catalogue.brands[product.department]) if rng.random() < 0.8 else None
    return Intent(product, _phrase(product, rng), None, brand, draw_code(rng))


def _gift(catalogue: Catalogue, rng: Random) -> Intent:
    return Intent(gift=rng.choice(list(catalogue.by_gift)))


def draw_code(rng: Random) -> str:
    """A model number: BX-450, K2200, m185x."""
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTVWXZ") for _ in range(rng.choice((1, 2, 2, 3))))
    digits = str(rng.randrange(10, 9999))
    return letters + rng.choice(("", "-", "")) + digits + rng.choice(("", "", "", "X", "B"))


def write_query(intent: Intent, rng: Random) -> str:
    """The typed words: mostly lower case, at times mistyped or with capitals."""
    if intent.gift is not None:
        text = rng.choice(("gift for {}", "gifts for {}", "{} gifts", "gift ideas for {}", "birthday gift for {}")).format(intent.gift)
    elif intent.product is None:
        text = rng.choice(("{}", "{}", "{} brand", "{} products")).format(intent.brand)
    elif intent.accessory is not None:
        text = _accessory_words(intent, rng)
    else:
        text = _product_words(intent, rng)
    if rng.random() < TYPO_SHARE:
        text = mistype(text, rng)
    style = rng.random()
    return text.lower() if style < 0.92 else text.title() if style < 0.96 else text


def _head(phrase: str, rng: Random) -> str:
    choice = rng.random()
    words = phrase.split()
    if choice < 0.3:
        return plural(phrase)
    return " ".join([*words[:-1], singular(words[-1])]) if choice > 0.9 else phrase


def _accessory_words(intent: Intent, rng: Random) -> str:
    assert intent.accessory is not None
    maker = " ".join(part for part in (intent.brand, intent.code) if part)
    name = " ".join(part for part in (maker, intent.phrase) if part)
    pattern = rng.choice(("{0} {1}", "{0} {1}", "{1} for {0}", "{0} replacement {1}"))
    if intent.accessory.name.startswith(("replacement", "spare", "extra")):
        pattern = rng.choice(("{0} {1}", "{1} for {0}"))
    return pattern.format(name, _head(intent.accessory.name, rng))


def _product_words(intent: Intent, rng: Random) -> str:
    if intent.code is not None and rng.random() < 0.5:
        return f"{intent.brand} {intent.code}" if intent.brand else f"{intent.code} {intent.phrase}"
    ahead: list[str] = []
    behind: list[str] = []
    for kind, value in intent.values.items():
        _put_value(kind, value, ahead, behind, rng)
    if intent.feature is not None:
        _put_feature(intent.feature, intent.wanted, ahead, behind, rng)
    if intent.use is not None:
        behind.append(f"for {intent.use}")
    rng.shuffle(ahead)
    rng.shuffle(behind)
    words = [*ahead, _head(intent.phrase, rng), *behind]
    maker = " ".join(part for part in (intent.brand, intent.code) if part)
    if maker:
        words.insert(0 if rng.random() < 0.8 else len(words), maker)
    return " ".join(words)


def _put_value(kind: str, value: str, ahead: list[str], behind: list[str], rng: Random) -> None:
    if kind == "audience" and value in AUDIENCES:
        possessive = POSSESSIVES.get(value, value)
        choice = rng.choice((possessive.replace("'", ""), possessive, f"for {value}", value))
        (behind if choice.startswith("for") or rng.random() < 0.2 else ahead).append(choice)
    elif kind == "model":
        (ahead if rng.random() < 0.7 else behind).append(value if rng.random() < 0.7 else value.replace(" Pro", "pro"))
        if behind and behind[-1].startswith(value[:4]):
            behind[-1] = f"for {behind[-1]}"
    else:
        text = rng.choice(spellings(value)) if rng.random() < 0.5 else value
        (ahead if rng.random() < 0.65 else behind).append(text)


def _put_feature(feature: Feature, wanted: bool, ahead: list[str], behind: list[str], rng: Random) -> None:
    text = feature.positive if wanted else rng.choice(feature.negatives)
    if text.startswith(("with ", "without ")):
        behind.append(text if rng.random() < 0.9 or not wanted else f"and {feature.noun}")
    elif text.startswith("no ") or rng.random() < 0.25:
        (behind if rng.random() < 0.6 else ahead).append(text)
    else:
        ahead.append(text)
