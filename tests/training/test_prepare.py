"""The commands go from a log to judgments and from judgments to training sets, and say what they left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scripts.data import command
from training.data.bench import bench
from training.data.judgments_file import JudgmentsFile
from training.data.splits import part_of
from training.evaluate.judged import OwnFiles, read_own
from training.training_set import read_documents, read_lists

LOG = ["who,sku,action,at,search,rank"] + [
    f"u{i},{sku},{action},2024-05-01 10:{i % 60:02}:00,Red  Lamp,{rank}"
    for i in range(40)
    for sku, rank in (("a", 1), ("b", 2))
    for action in (["view", "click"] if (sku == "b" or i % 5 == 0) else ["view"])
]
COLUMNS = ["--item-column", "sku", "--user-column", "who", "--type-column", "action", "--timestamp-column", "at"]
COLUMNS += ["--query-column", "search", "--position-column", "rank"]


def rerank_data(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def shop(folder: Path, *judged: tuple[str, str, int]) -> list[object]:
    (folder / "judgments.tsv").write_text("query\tdoc_id\tgrade\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in judged))
    rows = [json.dumps({"sku": f"d{i}", "name": f"product {i}"}) for i in range(30)]
    (folder / "products.jsonl").write_text("\n".join([*rows, "not a product"]))
    paths = ["--judgments", folder / "judgments.tsv", "--catalogue", folder / "products.jsonl", "--out", folder / "sets"]
    return [*paths, "--id-column", "sku", "--role", "title=name"]


# By their checksums lamp is train, door validation and table test.
JUDGED = [("lamp", "d1", 3), ("lamp", "d2", 0), ("door", "d3", 2), ("door", "d4", 0), ("table", "d5", 1), ("table", "d6", 0)]


def test_a_log_becomes_judgments(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("\n".join([*LOG, LOG[1], "u1,,view,2024-05-01 10:00:00,lamp,1"]) + "\n")
    out = tmp_path / "judgments.tsv"
    result = rerank_data("grade", tmp_path / "log.csv", *COLUMNS, "--impression-type", "view", "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_text().splitlines() == ["query\tdoc_id\tgrade", "red lamp\ta\t0", "red lamp\tb\t2"]
    assert "dropped 1: duplicate" in result.output
    assert f"{tmp_path / 'log.csv'}:{len(LOG) + 2}: no sku" in result.output


def test_a_log_without_impressions_is_graded_by_the_strongest_interaction(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("\n".join(LOG) + "\n")
    out = tmp_path / "judgments.tsv"
    options = ["--by", "type", "--weight", "click=2", "--out", out]
    result = rerank_data("grade", tmp_path / "log.csv", *COLUMNS, *options)
    assert result.exit_code == 0, result.output
    assert out.read_text().splitlines()[1:] == ["red lamp\ta\t2", "red lamp\tb\t2"]
    assert "dropped 80: type without a weight: view 80" in result.output


def test_judgments_become_a_training_set_for_each_part(tmp_path: Path) -> None:
    result = rerank_data("lists", *shop(tmp_path, *JUDGED))
    assert result.exit_code == 0, result.output
    (train,), (validation,), (test,) = (read_lists(tmp_path / "sets" / part) for part in ("train", "validation", "test"))
    assert [part_of(item.query) for item in (train, validation, test)] == ["train", "validation", "test"]
    assert (validation.doc_ids, validation.grades) == (("d3", "d4"), (2.0, 0.0))
    assert len(train.doc_ids) == 2 + 4
    assert set(read_documents(tmp_path / "sets" / "train")) == set(train.doc_ids)
    assert f"{tmp_path / 'products.jsonl'}:31: not a JSON object" in result.output


def test_hard_negatives_come_from_the_run_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("".join(f"lamp Q0 d{i} {i} {100 - i} bm25\n" for i in range(10, 30)))
    options = ["--run", tmp_path / "run.trec", "--hard-below", 15, "--hard-negatives", 5, "--random-negatives", 0]
    result = rerank_data("lists", *shop(tmp_path, *JUDGED), *options)
    assert result.exit_code == 0, result.output
    (train,) = read_lists(tmp_path / "sets" / "train")
    assert set(train.doc_ids) == {"d1", "d2", "d25", "d26", "d27", "d28", "d29"}


def test_a_pair_whose_grade_was_dropped_is_not_drawn_as_a_negative(tmp_path: Path) -> None:
    judged = [*JUDGED[:2], *(("lamp", f"d{i}", 7) for i in range(10, 20))]
    result = rerank_data("lists", *shop(tmp_path, *judged), "--rating", "3=3", "--rating", "0=0", "--random-negatives", 30)
    assert result.exit_code == 0, result.output
    (train,) = read_lists(tmp_path / "sets" / "train")
    assert set(train.doc_ids) == {f"d{i}" for i in range(30) if not 10 <= i < 20}


def test_a_document_with_grades_is_read_as_the_evaluation_reads_it(tmp_path: Path) -> None:
    paths = shop(tmp_path)
    ratings = [{"docId": f"d{grade}", "rating": grade} for grade in range(4)]
    (tmp_path / "judgments.json").write_text(json.dumps({"judgmentRatings": [{"query": "lamp", "ratings": ratings}]}))
    paths[1] = tmp_path / "judgments.json"
    result = rerank_data("lists", *paths, "--random-negatives", 0)
    assert result.exit_code == 0, result.output
    (train,) = read_lists(tmp_path / "sets" / "train")
    (evaluated,) = read_own(OwnFiles(JudgmentsFile(tmp_path / "judgments.json")), "all").queries
    assert (train.doc_ids, train.grades) == (evaluated.doc_ids, evaluated.grades) == (("d0", "d1", "d2", "d3"), (0.0, 1.0, 2.0, 3.0))


def test_a_split_file_that_leaks_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    judged = [*JUDGED[:2], ("Lamp!", "d3", 1), ("Lamp!", "d4", 0)]
    (tmp_path / "split.json").write_text(json.dumps({"train": ["lamp"], "test": ["Lamp!"]}))
    result = rerank_data("lists", *shop(tmp_path, *judged), "--split", tmp_path / "split.json")
    assert result.exit_code == 1
    assert "1 queries are in two parts: 'Lamp!' (train and test)" in result.output
    assert not (tmp_path / "sets").exists()


def test_other_spellings_of_held_out_queries_leave_training_and_are_counted(tmp_path: Path) -> None:
    spellings = ["table", *(spelling for n in range(1, 30) if part_of(spelling := "table" + " !" * n) == "train")][:2]
    judged = [(query, doc, grade) for query in spellings for doc, grade in (("d1", 1), ("d2", 0))]
    result = rerank_data("lists", *shop(tmp_path, *judged))
    assert result.exit_code == 0, result.output
    assert "dropped 1: another spelling is in a later part" in result.output
    assert not (tmp_path / "sets" / "train").exists()
    assert [item.query for item in read_lists(tmp_path / "sets" / "test")] == ["table"]


def test_a_part_of_an_earlier_call_is_not_left_beside_new_ones(tmp_path: Path) -> None:
    assert rerank_data("lists", *shop(tmp_path, *JUDGED)).exit_code == 0
    before = read_lists(tmp_path / "sets" / "train")
    result = rerank_data("lists", *shop(tmp_path, *JUDGED[:2]), "--seed", 1)
    assert result.exit_code == 1
    stale = f"{tmp_path / 'sets' / 'validation'} and {tmp_path / 'sets' / 'test'} would stay from an earlier call beside"
    assert stale in result.output
    assert "parts of this one (train)" in result.output
    assert read_lists(tmp_path / "sets" / "train") == before


def test_a_folder_that_is_no_training_set_may_stay(tmp_path: Path) -> None:
    (tmp_path / "sets" / "test").mkdir(parents=True)
    (tmp_path / "sets" / "test" / "lists.jsonl.gz").touch()
    assert rerank_data("lists", *shop(tmp_path, *JUDGED[:2])).exit_code == 0


def test_ratings_and_qrels_are_read_as_told(tmp_path: Path) -> None:
    paths = shop(tmp_path)
    (tmp_path / "judgments.tsv").rename(tmp_path / "qrels")
    (tmp_path / "qrels").write_text("1 0 d1 3\n1 0 d2 0\n")
    (tmp_path / "queries.tsv").write_text("query_id\tquery\n1\tlamp\n")
    paths[1] = tmp_path / "qrels"
    missing = rerank_data("lists", *paths)
    assert "qrels, which hold no texts" in missing.output
    result = rerank_data("lists", *paths, "--queries", tmp_path / "queries.tsv")
    assert result.exit_code == 0, result.output
    (train,) = read_lists(tmp_path / "sets" / "train")
    assert (train.query, max(train.grades or ())) == ("lamp", 3.0)
    mapped = rerank_data("lists", *paths, "--queries", tmp_path / "queries.tsv", "--rating", "3=1", "--rating", "0=0")
    assert mapped.exit_code == 0, mapped.output
    assert max(read_lists(tmp_path / "sets" / "train")[0].grades or ()) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rating", "high=3"], "'high' is not a number"),
        (["--rating", "100"], "NAME=NUMBER"),
        (["--preset", "nobody"], "there is no preset 'nobody'"),
        (["--grade-column", "label"], "there is no column 'label'; there are query, doc_id, grade: name yours by --grade-column"),
        (["--max-hits", "0"], "0 is not in the range x>=2"),
        (["--memory-limit", "lots"], "DuckDB takes no memory limit 'lots': give a number and a unit, such as 4GB"),
        (["--run-queries", __file__], "--run-queries names the queries of a run: give --run too"),
        (["--mine", "bm25", "--run", __file__], "--mine and --run exclude each other"),
        (["--mine", "bm25", "--mine-depth", "10"], "--mine-depth 10 leaves no hit below --hard-below 10"),
        (["--mine", "bm25", "--hard-negatives", "0"], "--hard-negatives 0 wants none"),
        (["--mine-depth", "50"], "--mine-depth says how an index is searched for hard negatives: give --mine too"),
    ],
    ids=["rating", "grade", "preset", "column", "hits", "memory", "run", "mine and run", "depth", "no negatives", "no mining"],
)
def test_a_wrong_option_is_named(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = rerank_data("lists", *shop(tmp_path, *JUDGED), *arguments)
    assert result.exit_code != 0
    assert message in result.output


def test_the_bench_prepares_a_made_log_and_measures_itself(tmp_path: Path) -> None:
    found = bench(20_000, "500MB", tmp_path)
    cleaning, _, grading = found.reports
    assert cleaning.rows == 20_400
    assert {"duplicate", "session without a search", "bot by its device"} <= cleaning.dropped.keys()
    assert grading.kept > 0
    assert 50 * 2**20 < found.peak_rss_bytes < 4 * 2**30
    assert "peak resident memory" in str(found)
