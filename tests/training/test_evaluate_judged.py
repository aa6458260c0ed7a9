"""What is evaluated: judged folders and a shop's own files, their parts and their grades, and what is refused before anything is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.errors import ClusterError, InvalidCatalogue
from scripts.cli import main
from tests.training.shop import write_shop
from tests.training.test_prepare import rerank_data, shop
from training.batches import TrainingList
from training.data.judgments_file import JudgmentsFile
from training.data.lists import QueryList
from training.data.splits import PARTS, part_of
from training.evaluate.judged import JudgedSet, OwnFiles, limited, misspelt, read_folder, read_own
from training.evaluate.setup import Selection, spread
from training.training_set import read_lists, write_documents, write_lists


def test_limited_queries_are_the_same_ones_whatever_else_there_is(tmp_path: Path) -> None:
    judged = read_folder(write_shop(tmp_path), "test")
    few, more = limited(judged, 3), limited(judged, 5)

    assert len(few.queries) == 3
    assert {item.query for item in few.queries} <= {item.query for item in more.queries}


def test_a_folder_of_no_known_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match=str(tmp_path)):
        read_folder(tmp_path, "test")


def test_a_judgments_file_that_is_broken_is_named(tmp_path: Path) -> None:
    write_shop(tmp_path)
    (tmp_path / "judgments.json").write_text("{")

    with pytest.raises(InvalidCatalogue, match="judgments"):
        read_folder(tmp_path, "test")


def test_nothing_to_evaluate_is_said_so() -> None:
    with pytest.raises(InvalidCatalogue, match="--data"):
        Selection(()).read()


def test_an_option_that_is_given_too_often_is_named() -> None:
    with pytest.raises(ClusterError, match="--split is given 2 times for 3 data sets"):
        spread(("test", "all"), 3, "--split")


def test_the_real_test_split_holds_its_fifty_queries_and_no_training_query(real_data: Path) -> None:
    tested, trained = (read_folder(real_data / "esci", part) for part in ("test", "train"))

    assert (len(tested.queries), len(trained.queries)) == (50, 79)
    assert not {item.query for item in tested.queries} & {item.query for item in trained.queries}


@pytest.mark.parametrize(("grade", "advice"), [("2.5", "Round them first"), ("100", ".* --esci-ratings")])
def test_ratings_that_are_no_grades_are_refused_before_anything_is_scored(tmp_path, grade, advice):
    path = tmp_path / "judgments.csv"
    path.write_text(f"query,doc_id,grade\nlamp,1,{grade}\nlamp,2,0\n")
    with pytest.raises(InvalidCatalogue, match=rf"grade {grade}; .*{advice}"):
        read_own(OwnFiles(JudgmentsFile(path)), "all")


@pytest.mark.parametrize("rating", [100, 255])
def test_a_training_set_with_ratings_that_are_no_grades_is_refused_before_anything_is_scored(tmp_path, rating):
    write_documents(tmp_path, {"1": {"title": ("lamp",)}})
    write_lists(tmp_path, [TrainingList("lamp", ("1",), (rating,), source="shop")])
    with pytest.raises(InvalidCatalogue, match=rf"grade {rating}; .* 30 at most. .* --rating"):
        read_folder(tmp_path, "test")


def test_a_folder_of_other_ratings_is_refused_too(tmp_path):
    ratings = [{"docId": "r0", "rating": 255}, {"docId": "b0", "rating": 0}]
    (write_shop(tmp_path) / "judgments.json").write_text(json.dumps({"judgmentRatings": [{"query": "lamp", "ratings": ratings}]}))
    with pytest.raises(InvalidCatalogue, match="query 'lamp' has the grade 255"):
        read_folder(tmp_path, "test")


def test_judgments_without_a_relevant_hit_are_refused_for_it(tmp_path):
    path = tmp_path / "judgments.csv"
    path.write_text("query,doc_id,grade\nlamp,1,0\nrug,2,0\n")
    with pytest.raises(InvalidCatalogue, match="judgments, all: all grades of its 2 judged queries are 0"):
        read_own(OwnFiles(JudgmentsFile(path)), "all")


def test_an_empty_file_of_judgments_is_named(tmp_path):
    path = tmp_path / "judgments.csv"
    path.write_text("")
    with pytest.raises(InvalidCatalogue, match="is empty"):
        read_own(OwnFiles(JudgmentsFile(path)), "all")


def test_a_catalogue_of_which_no_row_is_a_document_is_refused_with_the_reason(rated, tmp_path):
    path = tmp_path / "products.jsonl"
    path.write_text('{"sku": "a", "title": "lamp"}\n{"sku": "b", "title": "door"}\n')
    with pytest.raises(InvalidCatalogue, match=r"the id's column 'id': name it by --id-column or --preset; the rows have sku, title"):
        read_own(OwnFiles(JudgmentsFile(rated), path), "all")
    path.write_text('{"id": "", "title": "lamp"}\n{"id": null, "title": "door"}\n')
    with pytest.raises(InvalidCatalogue, match=r"catalogue: nothing is left of 2, of which 2 were dropped for 'no id'; check --id-column"):
        read_own(OwnFiles(JudgmentsFile(rated), path), "all")


@pytest.fixture
def rated(tmp_path):
    """A Quepid document with ESCI's ratings."""
    rated = {"red lamp": {"a": 100, "b": 0}, "blue lamp": {"a": 10, "b": 1}, "green lamp": {"b": 100}}
    found = [{"query": query, "ratings": [{"docId": doc, "rating": rating} for doc, rating in by.items()]} for query, by in rated.items()]
    path = tmp_path / "judgments.json"
    path.write_text(json.dumps({"judgmentRatings": found}))
    return path


@pytest.fixture
def parted(rated):
    """The same with a split file."""
    path = rated.with_name("split.json")
    path.write_text(json.dumps({"train": ["red lamp"], "validation": ["blue lamp"], "test": ["green lamp"]}))
    return OwnFiles(JudgmentsFile(rated), split_file=path)


def test_esci_s_ratings_in_a_document_are_told_by_themselves(rated):
    judged = read_own(OwnFiles(JudgmentsFile(rated)), "all")
    assert {item.query: item.grades for item in judged.queries} == {"red lamp": (3, 0), "blue lamp": (2, 1), "green lamp": (3,)}


def test_a_document_without_an_exact_hit_is_read_as_the_training_reads_it(tmp_path):
    path = tmp_path / "judgments.json"
    path.write_text(
        json.dumps({"judgmentRatings": [{"query": "lamp", "ratings": [{"docId": "a", "rating": 10}, {"docId": "b", "rating": 0}]}]})
    )
    assert read_own(OwnFiles(JudgmentsFile(path)), "all").queries[0].grades == (2, 0)


def test_own_judgments_are_parted_by_the_file_that_parted_the_training(parted):
    found = {part: [item.query for item in read_own(parted, part).queries] for part in ("train", "validation", "test")}
    assert found == {"train": ["red lamp"], "validation": ["blue lamp"], "test": ["green lamp"]}


def test_own_judgments_are_parted_as_the_training_s_are(tmp_path):
    spellings = {"water bottle": "train", "water bottle ?": "validation", "water-bottle": "test"}
    assert {query: part_of(query) for query in spellings} == spellings
    paths = shop(tmp_path, *((query, doc_id, grade) for query in [*spellings, "lamp", "door"] for doc_id, grade in (("d1", 1), ("d2", 0))))
    assert rerank_data("lists", *paths).exit_code == 0

    own = OwnFiles(JudgmentsFile(tmp_path / "judgments.tsv"))
    evaluated = {part: [item.query for item in read_own(own, part).queries] for part in PARTS}
    assert evaluated == {part: [item.query for item in read_lists(tmp_path / "sets" / part)] for part in PARTS}
    assert evaluated == {"train": ["lamp"], "validation": ["door"], "test": ["water-bottle"]}


def test_spellings_that_a_part_lacks_are_told_with_it(tmp_path):
    shop(tmp_path, *((query, "d1", 1) for query in ("water bottle", "water-bottle", "lamp")))
    own = OwnFiles(JudgmentsFile(tmp_path / "judgments.tsv"))
    notes = {split: read_own(own, split).notes for split in ("train", "test", "all")}
    assert notes == {"train": ("split: 1 rows left out: another spelling is in a later part",), "test": (), "all": ()}


def test_a_split_file_that_parts_spellings_of_one_query_is_refused(parted):
    parted.judgments.path.write_text(parted.judgments.path.read_text().replace("green lamp", "red-lamp"))
    parted.split_file.write_text(json.dumps({"train": ["red lamp"], "validation": ["blue lamp"], "test": ["red-lamp"]}))
    with pytest.raises(InvalidCatalogue, match=r"'red-lamp' \(train and test\)"):
        read_own(parted, "test")


def test_a_split_file_that_leaves_a_query_out_is_refused(parted):
    parted.split_file.write_text(json.dumps({"train": ["red lamp"], "test": ["green lamp"]}))
    with pytest.raises(InvalidCatalogue, match="does not name the query 'blue lamp'"):
        read_own(parted, "test")


def test_several_parts_of_own_judgments_are_several_sets(parted):
    found = Selection((), splits=("train", "validation"), own=parted).read()
    assert [(judged.name, judged.part) for judged in found] == [("judgments", "train"), ("judgments 2", "validation")]


def test_misspelt_queries_have_one_slip_the_same_at_every_run_and_those_left_are_counted() -> None:
    items = tuple(QueryList(str(number), text, ("a",), (1.0,), "shop") for number, text in enumerate(("running shoes", "red tv")))
    judged = JudgedSet("shop", "all", {}, items)
    wrong = misspelt(judged)

    assert wrong == misspelt(judged)
    assert wrong.queries[0].query != "running shoes"
    assert wrong.queries[1] == items[1]
    assert wrong.notes == ("queries have one typing slip each, but for 1 without a word of four letters",)


def test_a_preset_beside_own_judgments_alone_is_a_usage_error_and_not_left_unread(rated, tmp_path):
    result = CliRunner().invoke(
        main, ["evaluate", "--judgments", str(rated), "--preset", "msrd", "--offline", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "name the columns of your own --catalogue by --role" in result.output


@pytest.fixture
def qrels(tmp_path):
    """TREC qrels of a shop with its catalogue, and the file of their queries' texts."""
    paths = shop(tmp_path)
    (tmp_path / "shop.qrels").write_text("7 0 d1 100\n7 0 d2 0\n9 0 d3 10\n9 0 d4 0\n12 0 d5 1\n12 0 d6 0\n")
    (tmp_path / "queries.tsv").write_text("query_id\tquery\n7\tlamp\n9\tdoor\n12\ttable\n")
    return [*paths[2:4], "--id-column", "sku", "--role", "title=name", "--judgments", tmp_path / "shop.qrels"]


def test_trec_qrels_are_measured_as_the_training_reads_them(qrels, tmp_path):
    texts = ["--queries", tmp_path / "queries.tsv"]
    assert rerank_data("lists", *qrels, *texts, "--esci-ratings", "--random-negatives", 0, "--out", tmp_path / "sets").exit_code == 0

    ratings = {100.0: 3.0, 10.0: 2.0, 1.0: 1.0, 0.0: 0.0}
    own = OwnFiles(JudgmentsFile(tmp_path / "shop.qrels", ratings=ratings, queries=tmp_path / "queries.tsv"))
    for part in PARTS:
        (evaluated,) = read_own(own, part).queries
        (trained,) = read_lists(tmp_path / "sets" / part)
        assert (evaluated.query, evaluated.doc_ids, evaluated.grades) == (trained.query, trained.doc_ids, trained.grades)


def test_evaluate_takes_qrels_with_the_texts_of_their_queries(qrels, tmp_path):
    options = ["--split", "all", "--offline", "--no-vectors", "--first-pass", "bm25", "--out", tmp_path / "report"]
    ratings = ["--rating", "100=3", "--rating", "10=1", "--rating", "0=0"]
    measured = evaluate(*qrels, *options, *ratings, "--queries", tmp_path / "queries.tsv")
    assert measured.exit_code == 0, measured.output
    assert "qrels: 1 rows left out: a rating that is none of 100, 10, 0" in measured.output
    assert (tmp_path / "report" / "runs" / "shop" / "queries.tsv").read_text() == "q00001\tlamp\nq00002\tdoor\n"

    without = evaluate(*qrels, *options)
    assert without.exit_code == 6
    assert f"{tmp_path / 'shop.qrels'} is read as TREC qrels, which hold no texts: give the queries' file too (--queries)" in without.output


def test_what_evaluate_wrote_is_read_again(qrels, tmp_path):
    options = ["--split", "all", "--offline", "--no-vectors", "--first-pass", "bm25"]
    first = evaluate(*qrels, *options, "--esci-ratings", "--queries", tmp_path / "queries.tsv", "--out", tmp_path / "report")
    assert first.exit_code == 0, first.output
    written = tmp_path / "report" / "runs" / "shop"
    again = evaluate(
        *qrels[:-1], written / "qrels.txt", *options, "--queries", written / "queries.tsv", "--json", "--out", tmp_path / "again"
    )
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "runs" / "qrels" / "qrels.txt").read_text() == (written / "qrels.txt").read_text()


def test_texts_for_judgments_that_hold_their_own_are_refused(rated, tmp_path):
    (tmp_path / "queries.tsv").write_text("query_id\tquery\n7\tlamp\n")
    with pytest.raises(InvalidCatalogue, match=r"judgments.json is read as a Quepid document by its name, .*leave --queries out"):
        read_own(OwnFiles(JudgmentsFile(rated, queries=tmp_path / "queries.tsv")), "all")


def test_two_meanings_of_ratings_are_a_usage_error(rated, tmp_path):
    result = evaluate("--judgments", rated, "--esci-ratings", "--rating", "100=1", "--offline", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "leave it out, or --rating" in result.output


def test_judgments_of_which_no_row_is_one_are_refused_with_the_reason(qrels, tmp_path):
    (tmp_path / "queries.tsv").write_text("query_id\tquery\nq7\tlamp\n")
    result = evaluate(*qrels, "--queries", tmp_path / "queries.tsv", "--offline", "--out", tmp_path / "out")
    assert result.exit_code == 6
    assert "6 were dropped for 'a query without a text'; --queries must hold the texts of the judged query ids" in result.output


def evaluate(*arguments):
    return CliRunner().invoke(main, ["evaluate", *(str(argument) for argument in arguments)])
