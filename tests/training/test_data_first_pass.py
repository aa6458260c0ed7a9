"""A run's queries are joined to the judged ones by id or by text; those that are not are counted, and a run of none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.test_prepare import JUDGED, rerank_data, shop
from training.data.first_pass import FirstPass, find_hits, join_queries
from training.data.lists import QueryList
from training.data.refusals import NothingLeft
from training.data.report import Report
from training.data.trec import read_texts
from training.training_set import read_lists

HITS = {"d1": 2.0, "d2": 1.0}


def _judged(query: str) -> QueryList:
    return QueryList(f"id {query}", query, ("d",), (1.0,), "shop")


LISTS = [_judged(query) for query in ("red lamp", "desk")]


def test_queries_of_the_run_that_are_not_judged_are_counted() -> None:
    joined, report = join_queries(FirstPass({"id desk": HITS, "rug": HITS, "vase": HITS}), LISTS)
    assert joined == {"id desk": "id desk"}
    assert (report.rows, report.dropped) == (3, {"not a judged query": 2})


def test_ids_of_the_run_are_joined_through_their_texts() -> None:
    texts = {"q00001": "Red  lamp", "q00002": "rug"}
    joined, report = join_queries(FirstPass({"q00001": HITS, "q00002": HITS, "q00003": HITS}, texts), LISTS)
    assert joined == {"id red lamp": "q00001"}
    assert report.dropped == {"not a judged query": 1, "no text in the file of --run-queries": 1}


def test_another_spelling_of_a_query_is_joined_unless_the_run_has_the_very_text() -> None:
    texts = {"q1": "Red lamp!", "q2": "red-lamp", "q3": "desk"}
    joined, _ = join_queries(FirstPass({"q1": HITS, "q2": HITS}, texts), [*LISTS, _judged("Red lamp!")])
    assert joined == {"id red lamp": "q2", "id Red lamp!": "q1"}


def test_case_and_spaces_are_another_spelling_sooner_than_punctuation_is() -> None:
    texts = {"q1": "c++", "q2": "c#"}
    joined, _ = join_queries(FirstPass({"q1": HITS, "q2": HITS}, texts), [_judged("C++")])
    assert joined == {"id C++": "q1"}


def test_hits_of_a_query_that_is_judged_in_two_spellings_are_counted_once() -> None:
    reports: list[Report] = []
    judged = [_judged("desk"), _judged("Desk")]
    run = find_hits(FirstPass({"q1": HITS}, {"q1": "desk"}), judged, judged, HITS.keys(), reports.append)
    assert run == {"id desk": HITS, "id Desk": HITS}
    assert reports[-1].rows == 2


def test_queries_that_are_punctuation_alone_are_no_spellings_of_each_other() -> None:
    joined, _ = join_queries(FirstPass({"q1": HITS, "q2": HITS}, {"q1": "?", "q2": "c++"}), [_judged("!"), _judged("c++")])
    assert joined == {"id c++": "q2"}


def test_hits_of_the_run_that_the_catalogue_lacks_are_counted() -> None:
    reports: list[Report] = []
    find_hits(FirstPass({"id desk": HITS}), LISTS, LISTS, {"d1"}, reports.append)
    assert str(reports[-1]).splitlines() == ["run hits: 2 rows, 1 kept", "  dropped 1: not in the catalogue"]


def test_ids_that_a_run_file_encodes_are_those_of_the_catalogue() -> None:
    run = find_hits(FirstPass({"id desk": {"A%201": 2.0, "B%202": 1.0}}), LISTS, LISTS, {"A 1", "B%202"}, lambda _: None)
    assert run == {"id desk": {"A 1": 2.0, "B%202": 1.0}}


def test_a_run_of_another_catalogue_is_refused() -> None:
    with pytest.raises(NothingLeft, match="the run and the catalogue name documents differently"):
        find_hits(FirstPass({"id desk": HITS}), LISTS, LISTS, {"other"}, lambda _: None)


@pytest.mark.parametrize(
    ("first_pass", "message"),
    [
        (FirstPass({"q00001": HITS}), r"'q00001'.* is a judged one \(such as 'id red lamp'\): name their texts with --run-queries"),
        (FirstPass({"q00001": HITS}, {"q00001": "rug"}), r"'q00001': 'rug'\).* \(such as 'red lamp'\): check that --run-queries"),
        (FirstPass({}), "an id has no spaces"),
    ],
    ids=["ids", "texts", "empty"],
)
def test_a_run_without_a_judged_query_is_refused(first_pass: FirstPass, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        join_queries(first_pass, LISTS)


def test_a_line_of_texts_without_a_tab_is_named(tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("q1\tlamp\n\nq2 desk\n")
    with pytest.raises(ValueError, match=r"queries\.tsv:3: 'q2 desk' is not an id, a tab and a text"):
        read_texts(tmp_path / "queries.tsv")


def test_an_id_of_several_texts_is_refused_with_both(tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("q1\tlamp\nq2\tdesk\nq1\tlamp\nq1\tdoor\n")
    with pytest.raises(ValueError, match=r"queries\.tsv:4: the query id 'q1' has several texts, such as 'lamp' and 'door'"):
        read_texts(tmp_path / "queries.tsv")


def test_the_command_mines_a_run_whose_ids_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("".join(f"q1 Q0 d{i} {i} {100 - i} bm25\n" for i in range(10, 30)))
    (tmp_path / "queries.tsv").write_text("q1\tlamp\n")
    options = ["--run", tmp_path / "run.trec", "--hard-below", 15, "--hard-negatives", 5, "--random-negatives", 0]
    refused = rerank_data("lists", *shop(tmp_path, *JUDGED), *options)
    assert refused.exit_code == 1
    result = rerank_data("lists", *shop(tmp_path, *JUDGED), *options, "--run-queries", tmp_path / "queries.tsv")
    assert result.exit_code == 0, result.output
    (train,) = read_lists(tmp_path / "sets" / "train")
    assert set(train.doc_ids) == {"d1", "d2", "d25", "d26", "d27", "d28", "d29"}
