"""Chance → single offers: of a product, of what belongs to it, of things that only borrow its name."""

from __future__ import annotations

from random import Random
from typing import Any

from training.catalogue_grammar.catalogue import Accessory, Catalogue, Feature, ProductType
from training.catalogue_grammar.offers import Intent, Offer
from training.catalogue_grammar.queries import draw_code


class Trader:
    """Draws offers for one list; holds the list's chance and catalogue."""

    def __init__(self, catalogue: Catalogue, rng: Random) -> None:
        self.catalogue = catalogue
        self.rng = rng

    def offer(self, product: ProductType, **given: Any) -> Offer:
        """An offer with chance details beside the given ones."""
        rng = self.rng
        # Nearly half of the pages say all they can: they get the titles of thirty words.
        talkative = rng.random() < 0.45
        values = {kind: rng.choice(options) for kind, options in product.values.items() if rng.random() < 0.6}
        values.update(given.pop("values", {}))
        stated = {feature: self._polarity(feature) for feature in self.some(product.features, 6 if talkative else 3)}
        stated.update(given.pop("stated", {}))
        uses = (*given.pop("uses", ()), *self.some(product.uses, 3 if talkative else 1))
        given.setdefault("brand", rng.choice(self.catalogue.brands[product.department]))
        given.setdefault("code", draw_code(rng) if rng.random() < 0.12 else None)
        return Offer(product=product, values=values, stated=stated, uses=tuple(dict.fromkeys(uses)), **given)

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

    def novelty(self, product: ProductType, name: str, stuffing: tuple[str, ...] = ()) -> Offer:
        """A thing that only borrows the product's name, or lists it among others in a stuffed title."""
        department = self.rng.choice(list(self.catalogue.brands))
        brand = self.rng.choice(self.catalogue.brands[department])
        return Offer(product, brand, novelty=name, stuffing=stuffing)

    def other_brand(self, brand: str | None, product: ProductType) -> str:
        """A brand of the product's department that is not the given one."""
        return self.rng.choice([name for name in self.catalogue.brands[product.department] if name != brand])

    def some(self, options: tuple[Any, ...], most: int) -> list[Any]:
        """None to `most` of the options."""
        return self.rng.sample(options, min(len(options), self.rng.randint(0, most)))

    def _polarity(self, feature: Feature) -> bool:
        # Pages rarely say what a thing lacks; they do say which of two kinds it is.
        return not feature.negatives or self.rng.random() < (0.6 if feature.noun is None else 0.9)
