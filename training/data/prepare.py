"""The preparation as the commands run it: a log -> a judgments file; judgments and a catalogue -> a training set for each part.

Invariant: nothing is written before the parts are known not to leak; every report of what was left out is told as soon as it is known, so
that it is read too where a later step refuses to go on.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ibis.expr.types import Table

from training.batches import TrainingList
from training.data.build import ListSettings, query_lists, training_lists
from training.data.cleaning import Cleaning, clean
from training.data.engine import Engine
from training.data.first_pass import FirstPass, Search, Tell, find_hits
from training.data.grading import DEFAULT_WEIGHTS, PositionModel, grade_by_position, grade_by_type
from training.data.judgments import Judgments
from training.data.lists import Catalogue, QueryList
from training.data.reading import Read
from training.data.refusals import refuse_high_grades, refuse_nothing
from training.data.report import Report
from training.data.splits import PARTS, Part, check_time_leakage, split_by_time, split_without_leaks
from training.data.trec import read_run, read_texts, to_run
from training.training_set import is_training_set, write_documents, write_lists

By = Literal["position", "type"]
# Held-out lists are what was judged, whole: negatives that nobody judged would only make the figure easier.
_HELD_OUT = ListSettings(hard_negatives=0, random_negatives=0, max_hits=1_000)


@dataclass(frozen=True, slots=True)
class Grading:
    """How a log becomes grades: by place on the page where impressions are logged, else by the strongest interaction."""

    by: By = "position"
    weights: Mapping[str, float] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    model: PositionModel = field(default_factory=PositionModel)


@dataclass(frozen=True, slots=True)
class Output:
    """Where the judgments go; from a moment on, given as both `test_from_ms` and `test`, they go to a file of their own."""

    path: Path
    test_from_ms: int | None = None
    test: Path | None = None


def grade_log(engine: Engine, interactions: Read, rules: Cleaning, grading: Grading, out: Output, tell: Tell) -> None:
    """Clean and grade interactions and write `query, doc_id, grade` as TSV, row by row; raises NothingLeft where no grade comes out.

    The past and the future of a split by time are graded apart, and nothing is written before both have grades.
    """
    rows = _cleaned(engine, interactions, rules, tell)
    if out.test_from_ms is None or out.test is None:
        _write_judgments(out.path, _grades(engine, rows, grading, tell))
        return
    past, future = _by_time(engine, rows, out.test_from_ms, tell)
    train, test = _grades(engine, past, grading, tell), _grades(engine, future, grading, tell)
    _write_judgments(out.path, train)
    _write_judgments(out.test, test)


def _by_time(engine: Engine, rows: Table, test_from_ms: int, tell: Tell) -> tuple[Table, Table]:
    """The rows before the moment, and those from it on; raises ValueError where either has none."""
    split = split_by_time(rows, test_from_ms, test_from_ms)
    past, future = engine.keep(split.train), engine.keep(split.test)
    sizes = [int(part.count().to_pyarrow().as_py()) for part in (past, future)]
    tell(Report("split by time", sum(sizes) + split.undated, {"no time": split.undated} if split.undated else {}))
    if not all(sizes):
        raise ValueError(f"{sizes[0]:,} interactions are before --test-from and {sizes[1]:,} from it on: choose a moment within the log")
    check_time_leakage(past, future)
    return past, future


def _cleaned(engine: Engine, interactions: Read, rules: Cleaning, tell: Tell) -> Table:
    refuse_nothing(interactions.report)
    cleaned = clean(engine, interactions.rows, rules)
    tell(cleaned.report)
    refuse_nothing(cleaned.report)
    return cleaned.rows


def _grades(engine: Engine, rows: Table, grading: Grading, tell: Tell) -> Table:
    if grading.by == "position":
        graded = grade_by_position(engine, rows, grading.model, grading.weights)
    else:
        graded = grade_by_type(engine, rows, grading.weights)
    for report in graded.reports:
        tell(report)
        refuse_nothing(report)
    return graded.rows


def write_training_sets(
    out: Path,
    judgments: Judgments,
    catalogue: Catalogue,
    *,
    source: str,
    tell: Tell,
    first_pass: FirstPass | Search | None = None,
    named: Mapping[Part, Sequence[str]] | None = None,
    settings: ListSettings | None = None,
) -> list[Part]:
    """Write a training set for each part that has lists, and return those parts: `train` with negatives, the others as judged.

    `named` names each part's queries; without it a query's checksum decides. A live first pass is asked the train part's queries alone.
    Raises Leakage where named parts share a query, NothingLeft where no part has a list, and ValueError where a grade is too high, where
    no query of the first pass's run is judged, or where `out` holds a training set of a part that would not be written.
    """
    tell(judgments.report)
    refuse_nothing(judgments.report)
    lists, report = query_lists(judgments.rows, source)
    tell(report)
    refuse_high_grades(lists)
    parts, split = split_without_leaks(lists, named)
    if named is None:
        tell(split)
    _refuse_stale(out, parts)
    run = None if first_pass is None else find_hits(first_pass, lists, parts["train"], catalogue.keys(), tell)
    doc_ids = sorted(catalogue)
    ungraded = judgments.ungraded_by_query()
    built: dict[Part, list[QueryList]] = {}
    by_list: list[Report] = []
    for part, found in parts.items():
        chosen = (settings or ListSettings()) if part == "train" else _HELD_OUT
        built[part], reports = training_lists(found, doc_ids, run, chosen, ungraded)
        by_list.append(replace(reports[0], step=f"{part} lists"))
        tell(by_list[-1])
        tell(replace(reports[1], step=f"{part} judged hits"))
    refuse_nothing(*by_list)
    written = _refuse_stale(out, built)
    for part in written:
        _write_set(out / part, built[part], catalogue)
    return written


def read_first_pass(engine: Engine, path: Path, texts: Path | None, tell: Tell) -> FirstPass:
    """A TREC run, and the file of its queries' texts where its ids are not the judgments'."""
    read = read_run(engine, [path])
    tell(read.report)
    return FirstPass(to_run(read), None if texts is None else read_texts(texts))


def _refuse_stale(out: Path, lists: Mapping[Part, Sequence[QueryList]]) -> list[Part]:
    """The parts that have lists; raises ValueError where another part's training set would stay beside them.

    It was split otherwise and may share queries with the new ones. It is not removed: it may be all that is left of other judgments.
    """
    written = [part for part in lists if lists[part]]
    stale = [str(out / part) for part in PARTS if part not in written and is_training_set(out / part)]
    if stale:
        raise ValueError(
            f"{' and '.join(stale)} would stay from an earlier call beside the parts of this one ({', '.join(written) or 'none'}), and may "
            "share queries with them: remove what would stay, or choose another --out"
        )
    return written


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
