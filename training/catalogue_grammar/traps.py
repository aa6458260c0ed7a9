"""`Intent` → the offers of one list: what was asked, and everything that is easily taken for it.

The mixture is aimed at what bi-encoders miss: one wrong value, a denial, the accessory for the device, a name inside a name.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from training.catalogue_grammar.catalogue import Accessory, Catalogue, Feature, ProductType
from training.catalogue_grammar.offers import Intent, Offer, ambiguous
from training.catalogue_grammar.trader import Trader
from training.catalogue_grammar.wording import satisfies, singular, tokens

LEAST, MOST = 12, 20


def draw_offers(intent: Intent, catalogue: Catalogue, rng: Random) -> list[Offer]:
    """A mixture of 12 to 20 offers, in random order; every one has a sure grade."""
    trader = Trader(catalogue, rng)
    if intent.gift is not None:
        found = _gifts(intent.gift, trader)
    elif intent.product is None:
        found = _of_brand(str(intent.brand), trader)
    else:
        found = _for_product(intent, intent.product, trader)
    return _cut(intent, found, trader)


def _cut(intent: Intent, found: list[Offer], trader: Trader) -> list[Offer]:
    size = trader.rng.randint(LEAST, MOST)
    sure, rest = found[:3], [offer for offer in found[3:] if not ambiguous(intent, offer)]
    trader.rng.shuffle(rest)
    chosen = [*sure, *rest][:size]
    while len(chosen) < size:
        if not ambiguous(intent, stranger := trader.stranger()):
            chosen.append(stranger)
    trader.rng.shuffle(chosen)
    return chosen


def _gifts(gift: str, trader: Trader) -> list[Offer]:
    rng, by_gift = trader.rng, trader.catalogue.by_gift
    found = [trader.offer(rng.choice(by_gift[gift]), gift=gift) for _ in range(rng.randint(3, 6))]
    found += [trader.offer(rng.choice(by_gift[gift])) for _ in range(rng.randint(2, 4))]
    others = rng.sample([other for other in by_gift if other != gift], 2)
    return found + [trader.offer(rng.choice(by_gift[other]), gift=other) for other in others]


def _of_brand(brand: str, trader: Trader) -> list[Offer]:
    rng = trader.rng
    department = next(key for key, names in trader.catalogue.brands.items() if brand in names)
    types = trader.catalogue.by_department[department]
    found = [trader.offer(rng.choice(types), brand=brand) for _ in range(rng.randint(4, 7))]
    with_parts = [product for product in types if product.attached]
    for product in (rng.choice(with_parts) for _ in range(rng.randint(2, 4))):
        other = trader.other_brand(brand, product)
        found.append(trader.accessory(product, rng.choice(product.attached), fits_brand=brand, brand=other))
    return found + [trader.offer(rng.choice(types), brand=trader.other_brand(brand, types[0])) for _ in range(4)]


def _for_product(intent: Intent, product: ProductType, trader: Trader) -> list[Offer]:
    rng = trader.rng
    if intent.accessory is not None:
        found = _accessory_traps(intent, product, intent.accessory, trader)
    else:
        found = [trader.exact(intent, product) for _ in range(rng.randint(3, 5))]
        found += _near_misses(intent, product, trader)
        found += _related(intent, product, trader)
        # The asked brand named in passing, on the page of something else.
        passing: dict[str, Any] = {"fits_brand": intent.brand, "fits_code": intent.code} if intent.brand else {}
        found += [trader.accessory(product, item, **passing) for item in trader.some(product.accessories, 3)]
    found += _namesakes(intent, product, trader)
    same = trader.catalogue.by_department[product.department]
    return found + [trader.offer(rng.choice(same)) for _ in range(rng.randint(0, 2))] + [trader.stranger()]


def _near_misses(intent: Intent, product: ProductType, trader: Trader) -> list[Offer]:
    """One wish missed at a time, said wrongly or not at all, then several at once."""
    rng = trader.rng
    found: list[Offer] = []
    for kind in intent.values:
        found += _value_misses(intent, product, kind, trader)
    if intent.feature is not None:
        found += _feature_misses(intent, product, intent.feature, trader)
    if intent.use is not None:
        found += [_other_use(intent, product, trader) for _ in range(2)]
    if intent.brand is not None or intent.code is not None:
        found += _brand_misses(intent, product, trader)
    if len(intent.values) > 1:
        wrong = {kind: _wrong_value(product, kind, asked, rng) for kind, asked in intent.values.items()}
        found.append(trader.exact(intent, product, values=wrong))
    rng.shuffle(found)
    return found[:9]


def _value_misses(intent: Intent, product: ProductType, kind: str, trader: Trader) -> list[Offer]:
    rng, asked = trader.rng, intent.values[kind]
    wrong = [{**intent.values, kind: _wrong_value(product, kind, asked, rng)} for _ in range(rng.randint(1, 3))]
    number = asked.split()[0]
    if number.isdigit() and kind != "count" and "count" not in intent.values and rng.random() < 0.5:
        # The asked number, of something else: "32 pack" for "32 oz".
        wrong[0]["count"] = f"{number} pack"
    silent = trader.exact(intent, product)
    found = [trader.exact(intent, product, values=values) for values in wrong]
    return [*found, replace(silent, values={key: value for key, value in silent.values.items() if key != kind})]


def _wrong_value(product: ProductType, kind: str, asked: str, rng: Random) -> str:
    options = [value for value in product.values[kind] if not satisfies(kind, asked, value)]
    return rng.choice(options or [asked])


def _feature_misses(intent: Intent, product: ProductType, feature: Feature, trader: Trader) -> list[Offer]:
    rng = trader.rng
    found = []
    for _ in range(rng.randint(1, 3)):
        offer = trader.exact(intent, product)
        found.append(replace(offer, stated={key: said for key, said in offer.stated.items() if key != feature}))
    if feature.negatives:
        contrary = {feature: not intent.wanted}
        found += [trader.exact(intent, product, stated=contrary) for _ in range(rng.randint(2, 4))]
    if feature.noun is not None and rng.random() < 0.5:
        # The thing that the product shall have or lack, sold alone: "headrest for office chair".
        found.append(trader.accessory(product, Accessory(feature.noun, True)))
    return found


def _other_use(intent: Intent, product: ProductType, trader: Trader) -> Offer:
    others = tuple(use for use in product.uses if use != intent.use)
    return replace(trader.exact(intent, product), uses=(trader.rng.choice(others),) if others else ())


def _brand_misses(intent: Intent, product: ProductType, trader: Trader) -> list[Offer]:
    found = [trader.exact(intent, product, brand=trader.other_brand(intent.brand, product)) for _ in range(2)]
    if intent.code is not None:
        found = [replace(offer, code=near_code(intent.code, trader.rng)) for offer in found]
        found += [trader.exact(intent, product, code=near_code(intent.code, trader.rng)) for _ in range(2)]
    return found


def _related(intent: Intent, product: ProductType, trader: Trader) -> list[Offer]:
    found = []
    for name in trader.some(product.related, 3):
        other = trader.catalogue.by_name[name]
        values = {kind: value for kind, value in intent.values.items() if value in other.values.get(kind, ())}
        found.append(trader.offer(other, values=values if trader.rng.random() < 0.6 else {}))
    return found


def _accessory_traps(intent: Intent, product: ProductType, accessory: Accessory, trader: Trader) -> list[Offer]:
    rng = trader.rng
    fits = {"fits_brand": intent.brand, "fits_code": intent.code}
    found = [trader.accessory(product, accessory, **fits) for _ in range(rng.randint(3, 6))]
    device = {"brand": intent.brand} if intent.brand else {}
    found += [trader.offer(product, code=intent.code, **device) for _ in range(rng.randint(2, 4))]
    others = [item for item in product.accessories if item != accessory]
    found += [trader.accessory(product, item) for item in rng.sample(others, min(len(others), 3))]
    if intent.brand is not None:
        wrong = {"fits_brand": trader.other_brand(intent.brand, product), "fits_code": None}
        found += [trader.accessory(product, accessory, **wrong) for _ in range(2)]
    if intent.code is not None:
        near = {"fits_brand": intent.brand, "fits_code": near_code(intent.code, rng)}
        found += [trader.accessory(product, accessory, **near) for _ in range(2)]
    return found


def _namesakes(intent: Intent, product: ProductType, trader: Trader) -> list[Offer]:
    """Products whose names share a word with the query's, novelties of it, and titles stuffed with it."""
    rng, catalogue = trader.rng, trader.catalogue
    sharing = catalogue.by_token[singular(rng.choice(tokens(intent.phrase)))]
    found = [trader.offer(rng.choice(sharing)) for _ in range(2) if len(sharing) > 1]
    if rng.random() < 0.5:
        found.append(trader.novelty(product, rng.choice(catalogue.phrases["novelty"]).format(intent.phrase)))
    if rng.random() < 0.35:
        words = [intent.phrase, *(rng.choice(catalogue.types).name for _ in range(3))]
        rng.shuffle(words)
        found.append(trader.novelty(product, rng.choice(catalogue.phrases["stuffed"]), tuple(words)))
    return found


def near_code(code: str, rng: Random) -> str:
    """A model number one digit away."""
    place = rng.choice([index for index, letter in enumerate(code) if letter.isdigit()])
    digit = str((int(code[place]) + rng.randint(1, 9)) % 10)
    return code[:place] + digit + code[place + 1 :]
