"""`Intent` → the offers of one list: what was asked, and everything that is easily taken for it.

The mixture is aimed at what bi-encoders miss: one wrong value, a denial, the accessory for the device, a name inside a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from training.catalogue_grammar.catalogue import Accessory, Catalogue, Feature, ProductType
from training.catalogue_grammar.offers import Intent, Offer, grade
from training.catalogue_grammar.queries import draw_code
from training.catalogue_grammar.wording import satisfies, singular, tokens

LEAST, MOST = 12, 20


class Trader:
    """Draws offers for one list; holds the list's chance and catalogue."""

    def __init__(self, catalogue: Catalogue, rng: Random) -> None:
        self.catalogue = catalogue
        self.rng = rng

    def offers(self, intent: Intent) -> list[Offer]:
        """A mixture of 12 to 20 offers, in random order."""
        if intent.gift is not None:
            found = self._gifts(intent.gift)
        elif intent.product is None:
            found = self._of_brand(str(intent.brand))
        else:
            found = self._for_product(intent, intent.product)
        size = self.rng.randint(LEAST, MOST)
        sure, rest = found[:3], found[3:]
        self.rng.shuffle(rest)
        found = [*sure, *rest][:size]
        found += [self.stranger() for _ in range(size - len(found))]
        self.rng.shuffle(found)
        return found

    def offer(self, product: ProductType, **given: Any) -> Offer:
        """An offer with chance details beside the given ones."""
        rng = self.rng
        # A third of the pages say all they can: they get the titles of thirty words.
        talkative = rng.random() < 0.33
        values = {kind: rng.choice(options) for kind, options in product.values.items() if rng.random() < 0.6}
        values.update(given.pop("values", {}))
        stated = {feature: self._polarity(feature) for feature in self._some(product.features, 6 if talkative else 3)}
        stated.update(given.pop("stated", {}))
        uses = (*given.pop("uses", ()), *self._some(product.uses, 3 if talkative else 1))
        given.setdefault("brand", rng.choice(self.catalogue.brands[product.department]))
        given.setdefault("code", draw_code(rng) if rng.random() < 0.12 else None)
        return Offer(product=product, values=values, stated=stated, uses=tuple(dict.fromkeys(uses)), **given)

    def accessory(self, product: ProductType, accessory: Accessory, **given: Any) -> Offer:
        """An offer of something that belongs to the product."""
        rng = self.rng
        values: dict[str, str] = {}
        if rng.random() < 0.25:
            values["count"] = rng.choice(("2 pack", "3 pack", "4 pack", "6 pack"))
        if "color" in product.values and rng.random() < 0.3:
            values["color"] = rng.choice(product.values["color"])
        if "model" in product.values and rng.random() < 0.5:
            values["model"] = rng.choice(product.values["model"])
        brands = self.catalogue.brands[product.department]
        given.setdefault("brand", rng.choice(brands))
        if "fits_brand" not in given and accessory.attached and rng.random() < 0.25:
            given["fits_brand"] = rng.choice(brands)
        return Offer(product=product, values=values, accessory=accessory, **given)

    def stranger(self) -> Offer:
        """Any product at all."""
        return self.offer(self.rng.choice(self.catalogue.types))

    def _polarity(self, feature: Feature) -> bool:
        # Pages rarely say what a thing lacks; they do say which of two kinds it is.
        return not feature.negatives or self.rng.random() < (0.6 if feature.noun is None else 0.9)

    def _some(self, options: tuple[Any, ...], most: int) -> list[Any]:
        return self.rng.sample(options, min(len(options), self.rng.randint(0, most)))

    def _gifts(self, gift: str) -> list[Offer]:
        rng, givable = self.rng, self.catalogue.by_gift[gift]
        others = [other for other in self.catalogue.by_gift if other != gift]
        found = [self.offer(rng.choice(givable), gift=gift) for _ in range(rng.randint(3, 6))]
        found += [self.offer(rng.choice(givable)) for _ in range(rng.randint(2, 4))]
        for other in rng.sample(others, 2):
            found.append(self.offer(rng.choice(self.catalogue.by_gift[other]), gift=other))
        return found

    def _of_brand(self, brand: str) -> list[Offer]:
        rng = self.rng
        department = next(key for key, names in self.catalogue.brands.items() if brand in names)
        types = self.catalogue.by_department[department]
        found = [self.offer(rng.choice(types), brand=brand) for _ in range(rng.randint(4, 7))]
        with_parts = [product for product in types if product.attached]
        for product in (rng.choice(with_parts) for _ in range(rng.randint(2, 4)) if with_parts):
            found.append(self.accessory(product, rng.choice(product.attached), fits_brand=brand, brand=self._other_brand(brand, product)))
        return found + [self.offer(rng.choice(types), brand=self._other_brand(brand, types[0])) for _ in range(4)]

    def _other_brand(self, brand: str | None, product: ProductType) -> str:
        return self.rng.choice([name for name in self.catalogue.brands[product.department] if name != brand])

    def _for_product(self, intent: Intent, product: ProductType) -> list[Offer]:
        rng = self.rng
        if intent.accessory is not None:
            found = self._accessory_traps(intent, product, intent.accessory)
        else:
            found = [self.exact(intent, product) for _ in range(rng.randint(3, 5))]
            found += self._near_misses(intent, product)
            found += self._related(intent, product)
            found += [self.accessory(product, item, **self._passing(intent)) for item in self._some(product.accessories, 3)]
        found += self._namesakes(intent, product)
        same = self.catalogue.by_department[product.department]
        return found + [self.offer(rng.choice(same)) for _ in range(rng.randint(0, 2))] + [self.stranger()]

    def _passing(self, intent: Intent) -> dict[str, Any]:
        # The asked brand named in passing, on the page of something else.
        return {"fits_brand": intent.brand, "fits_code": intent.code} if intent.brand else {}

    def exact(self, intent: Intent, product: ProductType, **changes: Any) -> Offer:
        """An offer that has all that was asked, but for the changes."""
        given: dict[str, Any] = {"values": dict(intent.values)}
        if intent.feature is not None:
            given["stated"] = {intent.feature: intent.wanted}
        if intent.use is not None:
            given["uses"] = (intent.use,)
        if intent.brand is not None:
            given["brand"] = intent.brand
        if intent.code is not None:
            given["code"] = intent.code
        return self.offer(product, **{**given, **changes})

    def _near_misses(self, intent: Intent, product: ProductType) -> list[Offer]:
        """One wish missed at a time, said wrongly or not at all, then several at once."""
        rng = self.rng
        found: list[Offer] = []
        for kind in intent.values:
            found += [self._with_wrong(intent, product, kind) for _ in range(rng.randint(1, 3))]
            found.append(without_value(self.exact(intent, product), kind))
        if intent.feature is not None:
            found += self._feature_misses(intent, product, intent.feature)
        if intent.use is not None:
            found += [self._other_use(intent, product) for _ in range(2)]
        if intent.brand is not None or intent.code is not None:
            found += self._brand_misses(intent, product)
        if len(intent.values) > 1:
            wrong = {kind: self._wrong_value(product, kind, asked) for kind, asked in intent.values.items()}
            found.append(self.exact(intent, product, values=wrong))
        rng.shuffle(found)
        return found[:9]

    def _with_wrong(self, intent: Intent, product: ProductType, kind: str) -> Offer:
        values = {**intent.values, kind: self._wrong_value(product, kind, intent.values[kind])}
        return self.exact(intent, product, values=values)

    def _wrong_value(self, product: ProductType, kind: str, asked: str) -> str:
        options = [value for value in product.values[kind] if not satisfies(kind, asked, value)]
        return self.rng.choice(options or [asked])

    def _feature_misses(self, intent: Intent, product: ProductType, feature: Feature) -> list[Offer]:
        silent = [without_feature(self.exact(intent, product), feature) for _ in range(self.rng.randint(1, 3))]
        if not feature.negatives:
            return silent
        contrary = {feature: not intent.wanted}
        return silent + [self.exact(intent, product, stated=contrary) for _ in range(self.rng.randint(2, 4))]

    def _other_use(self, intent: Intent, product: ProductType) -> Offer:
        others = tuple(use for use in product.uses if use != intent.use)
        offer = self.exact(intent, product, uses=())
        return _replaced(offer, uses=(self.rng.choice(others),) if others else ())

    def _brand_misses(self, intent: Intent, product: ProductType) -> list[Offer]:
        found = [self.exact(intent, product, brand=self._other_brand(intent.brand, product)) for _ in range(2)]
        if intent.code is not None:
            found = [_replaced(offer, code=near_code(intent.code, self.rng)) for offer in found]
            found += [self.exact(intent, product, code=near_code(intent.code, self.rng)) for _ in range(2)]
        return found

    def _related(self, intent: Intent, product: ProductType) -> list[Offer]:
        found = []
        for name in self._some(product.related, 3):
            other = self.catalogue.by_name[name]
            values = {kind: value for kind, value in intent.values.items() if value in other.values.get(kind, ())}
            found.append(self.offer(other, values=values if self.rng.random() < 0.6 else {}))
        return found

    def _accessory_traps(self, intent: Intent, product: ProductType, accessory: Accessory) -> list[Offer]:
        rng = self.rng
        fits = {"fits_brand": intent.brand, "fits_code": intent.code}
        found = [self.accessory(product, accessory, **fits) for _ in range(rng.randint(3, 6))]
        device = {"brand": intent.brand} if intent.brand else {}
        found += [self.offer(product, code=intent.code, **device) for _ in range(rng.randint(2, 4))]
        others = [item for item in product.accessories if item != accessory]
        found += [self.accessory(product, item) for item in rng.sample(others, min(len(others), 3))]
        if intent.brand is not None:
            wrong = {"fits_brand": self._other_brand(intent.brand, product), "fits_code": None}
            found += [self.accessory(product, accessory, **wrong) for _ in range(2)]
        if intent.code is not None:
            near = {"fits_brand": intent.brand, "fits_code": near_code(intent.code, rng)}
            found += [self.accessory(product, accessory, **near) for _ in range(2)]
        return found

    def _namesakes(self, intent: Intent, product: ProductType) -> list[Offer]:
        """Products whose names share a word with the query's, novelties of it, and titles stuffed with it."""
        rng = self.rng
        sharing = self.catalogue.by_token[singular(rng.choice(tokens(intent.phrase)))]
        found = [self.offer(rng.choice(sharing)) for _ in range(2) if len(sharing) > 1]
        if rng.random() < 0.5:
            found.append(self.novelty(product, rng.choice(self.catalogue.phrases["novelty"]).format(intent.phrase)))
        if rng.random() < 0.35:
            thing = rng.choice(self.catalogue.phrases["stuffed"])
            words = [intent.phrase, *(rng.choice(self.catalogue.types).name for _ in range(3))]
            rng.shuffle(words)
            found.append(_replaced(self.novelty(product, thing), stuffing=tuple(words)))
        return found

    def novelty(self, product: ProductType, name: str) -> Offer:
        """A thing that only borrows the product's name."""
        types = self.rng.choice(list(self.catalogue.brands))
        return Offer(product, self.rng.choice(self.catalogue.brands[types]), novelty=name)


def _replaced(offer: Offer, **changes: Any) -> Offer:
    return Offer(**{**offer.__dict__, **changes})


def without_value(offer: Offer, kind: str) -> Offer:
    """The same page, silent on one kind."""
    return _replaced(offer, values={key: value for key, value in offer.values.items() if key != kind})


def without_feature(offer: Offer, feature: Feature) -> Offer:
    """The same page, silent on one feature."""
    stated: Mapping[Feature, bool] = {key: said for key, said in offer.stated.items() if key != feature}
    return _replaced(offer, stated=stated)


def near_code(code: str, rng: Random) -> str:
    """A model number one digit away."""
    places = [index for index, letter in enumerate(code) if letter.isdigit()]
    place = rng.choice(places)
    digit = str((int(code[place]) + rng.randint(1, 9)) % 10)
    return code[:place] + digit + code[place + 1 :]


def graded(intent: Intent, offers: list[Offer]) -> tuple[int, ...]:
    """The grade of every offer of the list."""
    return tuple(grade(intent, offer) for offer in offers)
