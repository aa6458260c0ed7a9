"""Seed → endless graded lists: intent, query, offers, grades, documents; shop lists with a share of content lists.

List i of a seed depends on nothing but (seed, i): shards may be generated apart and a longer run repeats a shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from training.catalogue_grammar.catalogue import Catalogue, load_catalogue
from training.catalogue_grammar.content import content_list
from training.catalogue_grammar.content_grammar import load_content
from training.catalogue_grammar.documents import write_document
from training.catalogue_grammar.offers import grade
from training.catalogue_grammar.queries import draw_intent, write_query
from training.catalogue_grammar.roles import GradedList
from training.catalogue_grammar.traps import draw_offers

CONTENT_SHARE = 0.15


def generate_lists(seed: int, n: int, content_share: float = CONTENT_SHARE) -> Iterator[GradedList]:
    """`n` lists of 12 to 20 documents, each with at least two different grades."""
    for index in range(n):
        yield _one(Random(f"{seed}:{index}"), content_share)


def _one(rng: Random, content_share: float) -> GradedList:
    while True:
        of_content = rng.random() < content_share
        found = content_list(load_content(), rng) if of_content else shop_list(load_catalogue(), rng)
        if len(set(found.grades)) > 1:
            return found


def shop_list(catalogue: Catalogue, rng: Random) -> GradedList:
    """One search in a shop."""
    intent = draw_intent(catalogue, rng)
    offers = draw_offers(intent, catalogue, rng)
    documents = tuple(write_document(offer, catalogue, rng) for offer in offers)
    return GradedList(write_query(intent, rng), documents, tuple(grade(intent, offer) for offer in offers))
