"""The preparation as the commands run it: a log -> a judgments file; judgments and a catalogue -> a training set for each part.

Invariant: nothing is written before the parts are known not to leak; every report of what was left out goes to the caller.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
from ibis.expr.types import Table

from training.batches import TrainingList
from training.data.build import ListSettings, query_lists, training_lists
from training.data.cleaning import Cleaning, clean
from training.data.engine import Engine
from training.data.grading import DEFAULT_WEIGHTS, PositionModel, grade_by_position, grade_by_type
from training.data.judgments import JudgmentColumns, read_judgments, read_qrels, read_quepid
from training.data.lists import Catalogue, QueryList
from training.data.reading import Read
from training.data.report import Report
from training.data.splits import Part, check_leakage, split_by_names, split_by_query, without_leaks
from training.data.trec import read_queries
from training.metrics.ranking import Run
from training.training_set import write_documents, write_lists

By = Literal["position", "type"]
# Held-out lists are what was judged, whole: negatives that nobody judged would only make the figure easier.
_HELD_OUT = ListSettings(hard_negatives=0, random_negatives=0, max_hits=1_000)


@dataclass(frozen=True, slots=True)
class Grading:
    """How a log becomes grades: by place on the page where impressions are logged, else by the strongest interaction."""

    by: By = "position"
    weights: Mapping[str, float] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    model: PositionModel = field(default_factory=PositionModel)


def grade_log(engine: Engine, interactions: Table, rules: Cleaning, grading: Grading, out: Path) -> list[Report]:
    """Clean and grade interactions and write `query, doc_id, grade` as TSV, row by row."""
    cleaned = clean(engine, interactions, rules)
    if grading.by == "position":
        graded = grade_by_position(engine, cleaned.rows, grading.model, grading.weights)
    else:
        graded = grade_by_type(engine, cleaned.rows, grading.weights)
    _write_judgments(out, graded.rows)
    return [cleaned.report, graded.report]


def read_any_judgments(
    engine: Engine,
    path: Path,
    columns: JudgmentColumns,
    ratings: Mapping[float, float] | None = None,
    queries: Mapping[str, str] | None = None,
) -> Read:
    """Judgments of any known format: a Quepid document (.json), a table (.csv, .tsv, .jsonl, .parquet), or else TREC qrels, whose
    queries' texts must be given."""
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if kind == ".json":
        return read_quepid(path, ratings) if ratings else read_quepid(path)
    if kind in {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}:
        return read_judgments(engine, [path], columns, ratings)
    if queries is None:
        raise ValueError(f"{path} is read as TREC qrels, which hold no texts: give the queries' file too")
    return read_qrels(engine, [path], queries)


def write_training_sets(
    out: Path,
    judgments: Read,
    catalogue: Catalogue,
    *,
    source: str,
    run: Run | None = None,
    named: Mapping[Part, Sequence[str]] | None = None,
    settings: ListSettings | None = None,
) -> list[Report]:
    """Write a training set for each part that has lists: `train` with negatives, `validation` and `test` as judged.

    `named` names each part's queries; without it a query's checksum decides. Raises Leakage where named parts share a query.
    """
    lists, report = query_lists(judgments.rows, source)
    parts, leaks = _parts(lists, named)
    reports = [judgments.report, report, *leaks]
    doc_ids = sorted(catalogue)
    for part, found in parts.items():
        chosen = (settings or ListSettings()) if part == "train" else _HELD_OUT
        built, part_report = training_lists(found, doc_ids, run, chosen)
        reports.append(Report(f"{part} lists", part_report.rows, part_report.dropped))
        if built:
            _write_set(out / part, built, catalogue)
    return reports


def read_split(path: Path) -> Mapping[Part, Sequence[str]]:
    """A split file: a JSON object with the queries of each part."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[Part, list[str]])
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is no split file: {error}") from error


def read_topics(engine: Engine, path: Path) -> Mapping[str, str]:
    """Queries' texts by id: a CSV or TSV with the columns `query_id` and `query`."""
    delimiter = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    return read_queries(engine, [path], query_id="query_id", query="query", delimiter=delimiter)


def _parts(lists: Sequence[QueryList], named: Mapping[Part, Sequence[str]] | None) -> tuple[Mapping[Part, list[QueryList]], list[Report]]:
    if named is not None:
        parts = split_by_names(lists, named)
        check_leakage(parts)
        return parts, []
    # The checksum parts spellings of one query at random: training gives way to what is held out.
    parts = dict(split_by_query(lists))
    parts["validation"], in_test = without_leaks(parts["validation"], parts["test"])
    parts["train"], held_out = without_leaks(parts["train"], parts["validation"], parts["test"])
    check_leakage(parts)
    dropped = {"another spelling is in a later part": in_test + held_out}
    return parts, [Report("split", len(lists), {reason: count for reason, count in dropped.items() if count})]


def _write_set(folder: Path, lists: Sequence[QueryList], catalogue: Catalogue) -> None:
    wanted = sorted({doc_id for item in lists for doc_id in item.doc_ids})
    write_documents(folder, {doc_id: catalogue[doc_id] for doc_id in wanted})
    write_lists(folder, [TrainingList(item.query, item.doc_ids, item.grades, source=item.source) for item in lists])


def _write_judgments(path: Path, grades: Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = grades.select("query", doc_id="item_id", grade="grade").order_by(["query", "doc_id"])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["query", "doc_id", "grade"])
        for batch in ordered.to_pyarrow_batches():
            writer.writerows((row["query"], row["doc_id"], f"{row['grade']:g}") for row in batch.to_pylist())
