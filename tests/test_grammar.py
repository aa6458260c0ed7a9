"""The catalogue grammar: lists repeat by seed and every grade follows from what query and document say."""

from __future__ import annotations

from random import Random

import pytest

from training.catalogue_grammar.catalogue import FOLDER, GrammarError, load_catalogue, parse_feature, parse_type
from training.catalogue_grammar.content import Piece, grade_piece, write_piece
from training.catalogue_grammar.content_grammar import Kind, load_content
from training.catalogue_grammar.documents import write_document
from training.catalogue_grammar.generate import generate_lists
from training.catalogue_grammar.offers import Intent, Offer, ambiguous, grade
from training.catalogue_grammar.queries import draw_intent, write_query
from training.catalogue_grammar.roles import ROLES, GradedList
from training.catalogue_grammar.trader import Trader
from training.catalogue_grammar.traps import draw_offers, near_code
from training.catalogue_grammar.wording import satisfies

CATALOGUE = load_catalogue()
CONTENT = load_content()
RECIPE = next(kind for kind in CONTENT.kinds if kind.name == "recipe")
CURRY, STEW, *_ = CONTENT.topics["dishes"]
SOFA = CATALOGUE.by_name["sofa"]
EARBUDS = CATALOGUE.by_name["wireless earbuds"]
T_SHIRT = CATALOGUE.by_name["t-shirt"]
LID = CATALOGUE.by_name["storage bin"].features[0]


@pytest.fixture(scope="module")
def lists() -> list[GradedList]:
    return list(generate_lists(7, 400))


def text_of(document: object) -> str:
    return str(document).lower()


def test_the_same_seed_makes_the_same_lists() -> None:
    assert list(generate_lists(3, 20)) == list(generate_lists(3, 20))


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    assert list(generate_lists(3, 20))[:5] == list(generate_lists(3, 5))


def test_another_seed_makes_other_lists() -> None:
    assert list(generate_lists(3, 5)) != list(generate_lists(4, 5))


def test_every_list_has_two_grades_at_least(lists: list[GradedList]) -> None:
    assert all(len(set(found.grades)) > 1 for found in lists)


def test_every_list_has_twelve_to_twenty_documents_with_a_grade_each(lists: list[GradedList]) -> None:
    assert all(12 <= len(found.documents) <= 20 and len(found.documents) == len(found.grades) for found in lists)


def test_documents_have_a_title_and_no_unknown_role(lists: list[GradedList]) -> None:
    assert all(document["title"] and set(document) <= ROLES for found in lists for document in found.documents)


def test_some_queries_deny_a_feature(lists: list[GradedList]) -> None:
    assert sum(" without " in found.query or " no " in found.query for found in lists) > 10


def test_an_offer_in_another_color_is_never_exact() -> None:
    intent = Intent(SOFA, "sofa", values={"color": "red"})
    assert grade(intent, Offer(SOFA, "Oakridge", values={"color": "red"})) == 3
    assert grade(intent, Offer(SOFA, "Oakridge", values={"color": "navy"})) == 2


def test_a_narrower_color_is_exact_and_a_wider_one_is_not() -> None:
    assert grade(Intent(SOFA, "sofa", values={"color": "blue"}), Offer(SOFA, "B", values={"color": "navy"})) == 3
    assert grade(Intent(SOFA, "sofa", values={"color": "navy"}), Offer(SOFA, "B", values={"color": "blue"})) == 2


def test_an_offer_for_the_other_sex_is_a_hard_miss() -> None:
    intent = Intent(T_SHIRT, "tee shirt", values={"audience": "men"})
    assert grade(intent, Offer(T_SHIRT, "B", values={"audience": "women"})) == 1


@pytest.mark.parametrize(("said", "expected"), [(False, 3), (None, 2), (True, 1)], ids=["denied", "silent", "affirmed"])
def test_a_denied_feature_grades_denial_then_silence_then_affirmation(said: bool | None, expected: int) -> None:
    product = CATALOGUE.by_name["storage bin"]
    stated = {} if said is None else {LID: said}
    assert grade(Intent(product, "storage bin", feature=LID, wanted=False), Offer(product, "B", stated=stated)) == expected


def test_a_substitute_with_the_denied_feature_is_a_hard_miss() -> None:
    electric, kick = CATALOGUE.by_name["electric scooter"], CATALOGUE.by_name["kick scooter"]
    seat = next(feature for feature in electric.features if feature.noun == "seat")
    with_seat = next(feature for feature in kick.features if feature.noun == "seat")
    intent = Intent(electric, "electric scooter", feature=seat, wanted=False)
    assert grade(intent, Offer(kick, "B", stated={with_seat: True})) == 1


def test_no_drawn_offer_that_contradicts_the_search_is_exact() -> None:
    rng = Random(5)
    for _ in range(300):
        intent = draw_intent(CATALOGUE, rng)
        for offer in draw_offers(intent, CATALOGUE, rng):
            wrong = [kind for kind, asked in intent.values.items() if not offered(kind, asked, offer)]
            assert not wrong or grade(intent, offer) < 3


def offered(kind: str, asked: str, offer: Offer) -> bool:
    return kind in offer.values and satisfies(kind, asked, offer.values[kind])


def test_the_accessory_is_a_complement_of_the_device_and_the_reverse() -> None:
    tips = EARBUDS.accessories[0]
    assert grade(Intent(EARBUDS, "earbuds"), Offer(EARBUDS, "B", accessory=tips)) == 1
    assert grade(Intent(EARBUDS, "earbuds", tips), Offer(EARBUDS, "B")) == 1
    assert grade(Intent(EARBUDS, "earbuds", tips), Offer(EARBUDS, "B", accessory=tips)) == 3


def test_a_brand_in_passing_is_a_complement_for_a_brand_search() -> None:
    tips = EARBUDS.accessories[0]
    assert grade(Intent(brand="Zentro"), Offer(EARBUDS, "Auralix", accessory=tips, fits_brand="Zentro")) == 1
    assert grade(Intent(brand="Zentro"), Offer(EARBUDS, "Zentro")) == 3
    assert grade(Intent(brand="Zentro"), Offer(EARBUDS, "Auralix")) == 0


def test_a_novelty_that_borrows_the_name_is_irrelevant() -> None:
    assert grade(Intent(SOFA, "sofa"), Offer(SOFA, "B", novelty="sofa keychain charm")) == 0


def test_a_near_model_number_differs_in_one_digit() -> None:
    near = near_code("BX-450", Random(1))
    assert sum(one != other for one, other in zip("BX-450", near, strict=True)) == 1


def test_a_document_says_every_graded_value() -> None:
    offer = Offer(SOFA, "Velmora", values={"color": "burgundy", "material": "corduroy", "size": "84 inch"})
    pages = [text_of(write_document(offer, CATALOGUE, Random(seed))) for seed in range(200)]
    assert all("burgundy" in page and "corduroy" in page and "84" in page for page in pages)


def test_a_document_says_its_brand_and_model_number() -> None:
    offer = Offer(SOFA, "Velmora", code="KX-410")
    pages = [text_of(write_document(offer, CATALOGUE, Random(seed))) for seed in range(200)]
    assert all("kx-410" in page and "velmora" in page for page in pages)


def test_an_accessory_says_what_it_fits() -> None:
    offer = Offer(SOFA, "Nestra", accessory=SOFA.accessories[0], fits_brand="Velmora", fits_code="KX-410")
    pages = [text_of(write_document(offer, CATALOGUE, Random(seed))) for seed in range(100)]
    assert all("velmora kx-410" in page for page in pages)


def test_a_document_says_every_graded_feature() -> None:
    offer = Offer(CATALOGUE.by_name["storage bin"], "Pantrio", stated={LID: False})
    denials = ("no lids", "without lids", "lids not included", "lids sold separately")
    pages = [text_of(write_document(offer, CATALOGUE, Random(seed))) for seed in range(100)]
    assert all(any(words in page for words in denials) for page in pages)


def test_exact_offers_hold_all_that_was_asked() -> None:
    intent = Intent(SOFA, "couch", brand="Velmora", values={"color": "red"}, use="dogs")
    trader = Trader(CATALOGUE, Random(1))
    assert all(grade(intent, trader.exact(intent, SOFA)) == 3 for _ in range(50))


def test_a_query_states_every_wish() -> None:
    intent = Intent(SOFA, "couch", values={"color": "red"}, use="dogs")
    queries = [write_query(intent, Random(seed)).lower() for seed in range(50)]
    assert sum("red" in query and "couch" in query and "for dogs" in query for query in queries) > 40


def test_a_noun_feature_brings_its_own_denials() -> None:
    assert parse_feature("with lid | lidless").negatives == ("without lid", "no lid", "lidless")


def test_every_yaml_type_loads_with_something_to_ask_for() -> None:
    assert len(CATALOGUE.types) >= 260
    assert all(product.values or product.features for product in CATALOGUE.types)


def test_a_value_list_of_one_is_refused() -> None:
    with pytest.raises(GrammarError, match="two values"):
        parse_type({"name": "sofa", "path": "Sofas", "values": {"color": ["red"]}}, "Furniture", {})


def test_a_synonym_that_says_a_value_is_refused() -> None:
    entry = {"name": "throw", "path": "Throws", "also": ["fleece blanket"], "values": {"material": ["fleece", "wool"]}}
    with pytest.raises(GrammarError, match="fleece blanket"):
        parse_type(entry, "Home Decor", {})


def test_a_type_that_the_words_also_name_has_no_sure_grade() -> None:
    intent = Intent(CATALOGUE.by_name["printer"], "printer")
    assert ambiguous(intent, Offer(CATALOGUE.by_name["laser printer"], "B"))
    assert not ambiguous(intent, Offer(CATALOGUE.by_name["printer"], "B"))


def test_an_ambiguous_offer_is_in_no_list() -> None:
    intent = Intent(CATALOGUE.by_name["printer"], "printer")
    offers = [offer for seed in range(30) for offer in draw_offers(intent, CATALOGUE, Random(seed))]
    assert not any(offer.product.name == "laser printer" and offer.novelty is None for offer in offers)


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (Piece(RECIPE, CURRY, {"diet": "vegan"}), 3),
        (Piece(RECIPE, CURRY, {"diet": "low carb"}), 2),
        (Piece(RECIPE, CURRY), 2),
        (Piece(RECIPE, STEW, {"diet": "vegan"}), 1),
        (Piece(RECIPE, CONTENT.topics["dishes"][-1], {"diet": "vegan"}), 0),
    ],
    ids=["exact", "other wish", "silent", "sibling topic", "other topic"],
)
def test_content_grades_follow_topic_and_wishes(piece: Piece, expected: int) -> None:
    assert grade_piece(Piece(RECIPE, CURRY, {"diet": "vegan"}), piece) == expected


@pytest.mark.parametrize("kind", CONTENT.kinds, ids=lambda kind: kind.name)
def test_a_piece_says_its_topic_and_wishes(kind: Kind) -> None:
    topic = CONTENT.of_kind(kind)[0]
    wishes = {key: values[0] for key, values in kind.wishes.items()}
    pages = [text_of(write_piece(Piece(kind, topic, wishes), CONTENT, Random(seed))) for seed in range(60)]
    names = (*topic.names, topic.about)
    assert all(any(name in page for name in names) for page in pages)
    assert all(value in page for page in pages for value in wishes.values())


def test_content_and_shop_lists_can_be_asked_for_alone() -> None:
    assert all("creator" not in document for found in generate_lists(1, 20, 0.0) for document in found.documents)
    assert all("brand" not in document for found in generate_lists(1, 20, 1.0) for document in found.documents)


@pytest.mark.parametrize(("name", "least"), [("queries.txt", 1400), ("content_queries.txt", 450)])
def test_query_files_hold_distinct_queries_of_one_to_twelve_words(name: str, least: int) -> None:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) >= least
    assert all(1 <= len(line.split()) <= 12 and line == line.strip() for line in lines)
