"""An evaluation -> its folder: `report.json`, `report.html`, and the runs, grades and queries as TREC files.

Invariant: query ids in TREC files are numbered, as a query's text has spaces; `queries.tsv` says which is which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from training.data.trec import write_qrels, write_run
from training.evaluate.evaluation import Evaluated
from training.evaluate.html_report import html
from training.evaluate.report import Report

Value = TypeVar("Value", int, float)


def write(folder: Path, report: Report, evaluated: Sequence[Evaluated]) -> None:
    """Write everything; files of an earlier evaluation into the folder are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    (folder / "report.html").write_text(html(report), encoding="utf-8")
    for each in evaluated:
        _write_trec(folder / "runs" / file_name(each.report.name), each)


def file_name(text: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-").lower()


def _write_trec(folder: Path, evaluated: Evaluated) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {query_id: f"q{number:05d}" for number, query_id in enumerate(sorted(evaluated.queries), start=1)}
    lines = [f"{numbers[query_id]}\t{' '.join(text.split())}\n" for query_id, text in sorted(evaluated.queries.items())]
    (folder / "queries.tsv").write_text("".join(lines), encoding="utf-8")
    write_qrels(folder / "qrels.txt", {numbers[query_id]: _named(grades) for query_id, grades in sorted(evaluated.qrels.items())})
    for name, run in evaluated.runs.items():
        write_run(
            folder / f"{file_name(name)}.run", {numbers[query_id]: _named(hits) for query_id, hits in sorted(run.items())}, file_name(name)
        )


def _named(by_document: Mapping[str, Value]) -> dict[str, Value]:
    """Document ids without white space, which separates TREC's columns."""
    return {re.sub(r"\s", "_", doc_id): value for doc_id, value in by_document.items()}
