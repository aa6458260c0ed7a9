"""An evaluation -> its folder: `report.json`, `report.html`, and the runs, grades and queries as TREC files.

Invariant: query ids in TREC files are numbered, as a query's text has spaces; `queries.tsv` says which is which. Document ids are as they
are, their white space percent-encoded; every run has a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from training.data.trec import write_qrels, write_run
from training.evaluate.evaluation import Evaluated
from training.evaluate.html_report import html
from training.evaluate.report import Report
from training.metrics.ranking import Qrels, Run

Value = TypeVar("Value", int, float)


def write(folder: Path, report: Report, evaluated: Sequence[Evaluated]) -> None:
    """Write everything; files of an earlier evaluation into the folder are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    (folder / "report.html").write_text(html(report), encoding="utf-8")
    names = file_names(each.report.name for each in evaluated)
    for each in evaluated:
        write_trec(folder / "runs" / names[each.report.name], each.runs, each.qrels, each.queries)


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """A name for each text that every file system takes, and no other text has: those that differ in signs alone are numbered."""
    names: dict[str, str] = {}
    for text in texts:
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.").lower() or "unnamed"
        numbered = (plain if place == 1 else f"{plain}-{place}" for place in count(1))
        names.setdefault(text, next(name for name in numbered if name not in names.values()))
    return names


def write_trec(folder: Path, runs: Mapping[str, Run], qrels: Qrels, queries: Mapping[str, str]) -> None:
    """Runs by name, grades and queries' texts, each by query id, as TREC files of one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # Runs of an earlier evaluation number other queries.
    for earlier in folder.glob("*.run"):
        earlier.unlink()
    numbers = {query_id: f"q{number:05d}" for number, query_id in enumerate(sorted(queries), start=1)}
    lines = [f"{numbers[query_id]}\t{' '.join(text.split())}\n" for query_id, text in sorted(queries.items())]
    (folder / "queries.tsv").write_text("".join(lines), encoding="utf-8")
    write_qrels(folder / "qrels.txt", {numbers[query_id]: _named(grades) for query_id, grades in sorted(qrels.items())})
    tags = file_names(runs)
    for name, run in runs.items():
        write_run(folder / f"{tags[name]}.run", {numbers[query_id]: _named(hits) for query_id, hits in sorted(run.items())}, tags[name])


def _named(by_document: Mapping[str, Value]) -> dict[str, Value]:
    """By document ids without white space, which separates TREC's columns; `urllib.parse.unquote` gives the ids back."""
    return {re.sub(r"\s|%(?=[0-9A-Fa-f]{2})", lambda found: quote(found[0]), doc_id): value for doc_id, value in by_document.items()}
