"""Judgments of every format become one table and then lists, and runs survive being written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from training.data.build import query_lists
from training.data.engine import Engine
from training.data.judgments import ESCI_RATINGS, MSRD_COLUMNS, JudgmentColumns, read_judgments, read_qrels, read_quepid
from training.data.judgments_file import JudgmentsFile
from training.data.lists import QueryList
from training.data.reading import Read
from training.data.trec import read_queries, read_run, to_run, write_qrels, write_run


def rows(read: Read) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read.rows.order_by("doc_id").to_pyarrow().to_pylist()
    return found


def quepid(path: Path, *ratings: dict[str, Any]) -> Path:
    path.write_bytes(gzip.compress(json.dumps({"name": "a shop's", "judgmentRatings": [{"query": "lamp", "ratings": ratings}]}).encode()))
    return path


def test_a_table_with_the_shops_own_names_becomes_judgments(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.csv"
    path.write_text("search,sku,label\nlamp,d1,100\nlamp,d2,0\n")
    read = read_judgments(engine, [path], JudgmentColumns("search", "sku", "label"), ESCI_RATINGS)
    assert rows(read) == [
        {"query_id": "lamp", "query": "lamp", "doc_id": "d1", "grade": 3.0},
        {"query_id": "lamp", "query": "lamp", "doc_id": "d2", "grade": 0.0},
    ]


def test_ratings_that_are_no_grades_are_bad_rows(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.tsv"
    path.write_text("query\tdoc_id\tgrade\nlamp\td1\t2\nlamp\td2\t-1\nlamp\td3\tgood\nlamp\t\t1\n\td4\t1\n")
    report = read_judgments(engine, [path], JudgmentColumns()).report
    assert report.dropped == {"no grade from 0": 2, "no document id": 1, "no query": 1}
    assert sorted(row.line for row in report.examples if row.line) == [3, 4, 5, 6]


def test_judgments_that_an_open_quote_takes_in_are_counted_as_lost(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.tsv"
    path.write_text('query\tdoc_id\tgrade\nlamp\td1\t1\n"air max\td1\t2\ndesk\td2\t1\ntv 55"\td3\t1\nsofa\td4\t1\n')
    read = read_judgments(engine, [path], JudgmentColumns())
    assert [row["query"] for row in rows(read)] == ["lamp", "sofa"]
    assert read.report.rows == 5


def test_a_quepid_document_becomes_judgments(tmp_path: Path) -> None:
    path = quepid(tmp_path / "j.json.gz", {"docId": "d1", "rating": "100.000"}, {"docId": 2, "rating": 10}, {"docId": "d3", "rating": "1"})
    assert [(row["doc_id"], row["grade"]) for row in rows(read_quepid(path))] == [("2", 2.0), ("d1", 3.0), ("d3", 1.0)]


def test_a_bad_rating_of_a_quepid_document_is_named_by_its_place(tmp_path: Path) -> None:
    path = quepid(tmp_path / "j.json.gz", {"docId": "d1", "rating": "100"}, {"docId": "d2", "rating": "7"}, {"rating": "1"})
    report = read_quepid(path, ESCI_RATINGS).report
    assert {str(row) for row in report.examples} == {
        f"{path}: judgmentRatings[0].ratings[1]: a rating that is none of 100, 10, 1, 0",
        f"{path}: judgmentRatings[0].ratings[2]: no document id",
    }


def test_grades_of_a_quepid_document_stay_as_written_where_one_is_none_of_escis_ratings(tmp_path: Path) -> None:
    path = quepid(tmp_path / "j.json.gz", *({"docId": f"d{grade}", "rating": grade} for grade in range(4)))
    assert [row["grade"] for row in rows(read_quepid(path))] == [0.0, 1.0, 2.0, 3.0]


def test_ratings_that_are_given_win_over_what_a_document_looks_like(tmp_path: Path) -> None:
    path = quepid(tmp_path / "j.json.gz", {"docId": "d1", "rating": 1}, {"docId": "d2", "rating": 0})
    assert [row["grade"] for row in rows(read_quepid(path, {1.0: 3.0, 0.0: 0.0}))] == [3.0, 0.0]


def test_pairs_without_a_grade_are_known_by_query(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.tsv"
    path.write_text("query_id\tquery\tdoc_id\tgrade\nq1\tlamp\td1\t2\nq1\tlamp\td2\t-1\nq1\t\td3\t1\nq2\tdesk\td4\tgood\nq2\tdesk\t\t1\n")
    assert read_judgments(engine, [path], MSRD_COLUMNS).ungraded_by_query() == {"q1": {"d2", "d3"}, "q2": {"d4"}}


def test_a_document_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.json"
    path.write_text('{"judgments": []}')
    with pytest.raises(ValueError, match="not a judgments document"):
        read_quepid(path)


def test_qrels_take_their_queries_texts_from_beside(engine: Engine, tmp_path: Path) -> None:
    topics, path = tmp_path / "queries.csv", tmp_path / "qrels"
    topics.write_text("query_id\tquery\tquery_class\n1\tsmart lamp\tLamps\n")
    path.write_text("1 0 d1 3\n  1\t0\td2  0 \n2 0 d1 1\n1 0 d3\n")
    read = read_qrels(engine, [path], read_queries(engine, [topics], query_id="query_id", query="query"))
    assert [(row["query"], row["doc_id"], row["grade"]) for row in rows(read)] == [("smart lamp", "d1", 3.0), ("smart lamp", "d2", 0.0)]
    assert [(row.line, row.reason) for row in read.report.examples] == [
        (3, "a query without a text"),
        (4, "not four columns: query_id 0 doc_id grade"),
    ]


def test_ratings_of_qrels_are_mapped_as_told(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_text("1 0 d1 100\n1 0 d2 10\n1 0 d3 7\n")
    read = read_qrels(engine, [path], {"1": "lamp"}, ESCI_RATINGS)
    assert [(row["doc_id"], row["grade"]) for row in rows(read)] == [("d1", 3.0), ("d2", 2.0)]
    assert read.report.dropped == {"a rating that is none of 100, 10, 1, 0": 1}


def test_lists_gather_a_querys_hits_in_order_of_document_id(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.tsv"
    path.write_text("query_id\tquery\tdoc_id\tgrade\nq1\tlamp\td2\t0\nq2\tdesk\td9\t1\nq1\tlamp\td1\t1\n")
    lists, _ = query_lists(read_judgments(engine, [path], MSRD_COLUMNS).rows, "msrd")
    assert lists == [QueryList("q1", "lamp", ("d1", "d2"), (1.0, 0.0), "msrd"), QueryList("q2", "desk", ("d9",), (1.0,), "msrd")]


@pytest.mark.parametrize("doc_id", ["d1", "d2"], ids=["of one document", "of two"])
def test_several_texts_under_one_query_id_are_refused(engine: Engine, tmp_path: Path, doc_id: str) -> None:
    path = tmp_path / "j.tsv"
    path.write_text(f"query_id\tquery\tdoc_id\tgrade\nq0\trug\td1\t1\nq1\tlamp\td1\t0\nq1\tdesk\t{doc_id}\t1\n")
    with pytest.raises(ValueError, match=r"query id 'q1' has several texts, such as 'desk' and 'lamp': --query-id-column"):
        query_lists(read_judgments(engine, [path], MSRD_COLUMNS).rows, "msrd")


def test_spellings_under_one_query_id_are_one_query(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.tsv"
    path.write_text("query_id\tquery\tdoc_id\tgrade\nq1\tDesk lamp\td1\t0\nq1\tdesk-lamp\td2\t1\n")
    (item,), _ = query_lists(read_judgments(engine, [path], MSRD_COLUMNS).rows, "msrd")
    assert item.doc_ids == ("d1", "d2")


def test_several_texts_of_one_topic_are_refused(engine: Engine, tmp_path: Path) -> None:
    topics = tmp_path / "queries.tsv"
    topics.write_text("query_id\tquery\n1\tlamp\n1\tlamp\n2\trug\n2\tdesk\n")
    with pytest.raises(ValueError, match=r"queries\.tsv: the query id '2' has several texts, such as 'rug' and 'desk'"):
        read_queries(engine, [topics], query_id="query_id", query="query")


def test_a_file_with_semicolons_holds_judgments_and_texts(engine: Engine, tmp_path: Path) -> None:
    topics, path = tmp_path / "queries.csv", tmp_path / "a.qrels"
    topics.write_text('query_id;query\n1;"lamp; red"\n')
    path.write_text("1 0 d1 3\n")
    assert [row["query"] for row in rows(JudgmentsFile(path, queries=topics).read(engine))] == ["lamp; red"]


def test_texts_that_an_open_quote_takes_in_are_refused_by_line(engine: Engine, tmp_path: Path) -> None:
    topics = tmp_path / "queries.csv"
    topics.write_text('query_id,query\n1,rug\n2,"lamp\n3,desk\n4,"door"\n')
    with pytest.raises(ValueError, match=r"cannot be read whole(?s:.*)queries\.csv:3: "):
        read_queries(engine, [topics], query_id="query_id", query="query", delimiter=",")


def test_a_column_by_the_name_of_the_engines_own_is_refused_in_words(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.csv"
    path.write_text("file,query,doc_id,grade\na,lamp,d1,2\n")
    with pytest.raises(ValueError, match=r"j\.csv has a column named file"):
        read_judgments(engine, [path], JudgmentColumns())
    table = tmp_path / "j.parquet"
    engine.connection.raw_sql(f"COPY (SELECT 'a' AS file, 'lamp' AS query, 'd1' AS doc_id, 2 AS grade) TO '{table}'")
    with pytest.raises(ValueError, match=r"j\.parquet has a column named file"):
        read_judgments(engine, [table], JudgmentColumns())


def test_spaces_after_the_commas_belong_to_no_column(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.csv"
    path.write_text("query, doc_id, grade\nred lamp, d1, 2\n")
    assert [(row["query"], row["doc_id"], row["grade"]) for row in rows(read_judgments(engine, [path], JudgmentColumns()))] == [
        ("red lamp", "d1", 2.0)
    ]


def test_of_a_pair_that_is_judged_twice_the_higher_grade_counts(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.csv"
    path.write_text("query,doc_id,grade\nlamp,d1,1\nlamp,d1,3\nlamp,d1,2\nlamp,d2,2\nlamp,d2,2\n")
    lists, report = query_lists(read_judgments(engine, [path], JudgmentColumns()).rows, "shop")
    assert lists[0].grades == (3.0, 2.0)
    several = "1 pairs have several grades, of which the highest is kept, such as 3 of 1 and 3 for 'd1' of the query 'lamp'"
    assert report.dropped == {f"judged twice; {several}": 3}


def test_a_pair_that_is_judged_alike_twice_has_one_grade(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "j.csv"
    path.write_text("query,doc_id,grade\nlamp,d1,3\nlamp,d1,3.0\n")
    lists, report = query_lists(read_judgments(engine, [path], JudgmentColumns()).rows, "shop")
    assert (lists[0].grades, report.dropped) == ((3.0,), {"judged twice": 1})


def test_a_list_with_a_repeated_hit_or_a_missing_grade_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="lists a hit twice"):
        QueryList("q", "lamp", ("a", "a"), (1.0, 0.0), "shop")
    with pytest.raises(ValueError, match="1 hits and 2 grades"):
        QueryList("q", "lamp", ("a",), (1.0, 0.0), "shop")


def test_a_run_reads_back_as_it_was_written(engine: Engine, tmp_path: Path) -> None:
    run = {"q1": {"d1": 0.25, "d2": 1.0 / 3, "d3": -7.5}, "q2": {"d1": 1e-9}}
    write_run(tmp_path / "run.trec", run, "bm25")
    assert (tmp_path / "run.trec").read_text().splitlines()[0] == "q1 Q0 d2 1 0.333333333 bm25"
    read = read_run(engine, [tmp_path / "run.trec"])
    assert to_run(read) == {query: pytest.approx(hits) for query, hits in run.items()}


def test_a_bad_line_of_a_run_is_named(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 d1 1 high bm25\nq1 Q0 d1 1\nq1 Q0 d2 1 0.5 bm25\n")
    report = read_run(engine, [path]).report
    assert [(row.line, row.reason) for row in report.examples] == [
        (1, "a score that is no number"),
        (2, "not six columns: query_id Q0 doc_id rank score tag"),
    ]


def test_qrels_are_written_as_trec_reads_them(engine: Engine, tmp_path: Path) -> None:
    write_qrels(tmp_path / "qrels", {"q1": {"d1": 3, "d2": 0}})
    assert (tmp_path / "qrels").read_text() == "q1 0 d1 3\nq1 0 d2 0\n"
    assert read_qrels(engine, [tmp_path / "qrels"], {"q1": "lamp"}).report.kept == 2


def test_the_real_judgments_are_read_whole(engine: Engine, real_data: Path) -> None:
    esci = read_quepid(real_data / "esci" / "judgments.json.gz")
    msrd = read_judgments(engine, [real_data / "msrd" / "movies-judgments.tsv.gz"], MSRD_COLUMNS)
    assert (esci.report.kept, esci.report.dropped) == (6_678, {})
    assert (msrd.report.kept, msrd.report.dropped) == (384_755, {})
    assert len(query_lists(esci.rows, "esci")[0]) == 150
    assert len(query_lists(msrd.rows, "msrd")[0]) == 16_279
