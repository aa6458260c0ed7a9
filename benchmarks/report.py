"""A finished measurement -> a table on standard output, and JSON, Markdown and a plot below `runs/bench/NAME-DATE`.

Invariant: the table that is printed, the one that is written and the raw samples beside them come from one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from matplotlib.figure import Figure

from benchmarks.machine import Machine
from cluster.workspace import CHECKOUT

FOLDER = CHECKOUT / "runs" / "bench"
Cell = str | int | float | None
Draw = Callable[[Figure], None]


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of texts and numbers; `notes` say what the columns mean and what was left out."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table as Markdown, its columns padded so that it reads well in a terminal too."""
        cells = [[_text(cell) for cell in row] for row in self.rows]
        widths = [max(len(row[column]) for row in (list(self.columns), *cells)) for column in range(len(self.columns))]
        lines = [_line(self.columns, widths), _line(["-" * width for width in widths], widths), *(_line(row, widths) for row in cells)]
        return "\n".join((f"**{self.title}**", "", *lines, "", *(f"- {note}" for note in self.notes))).rstrip()


@dataclass(frozen=True, slots=True)
class Report:
    """One run of `rerank COMMAND NAME OPTIONS`; `samples` are the raw measurements that the tables are made of.

    `place` is the section of the documentation that it belongs to, where that is not its name's: a run with other settings.
    """

    name: str
    machine: Machine
    settings: dict[str, Any]
    tables: tuple[Table, ...]
    samples: Any = field(default_factory=list)
    quick: bool = False
    command: str = "bench"
    place: str = ""
    options: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The whole report as Markdown."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        warning = ("A quick run: it shows that the command works, its figures mean nothing.",) if self.quick else ()
        tables = (table.markdown() for table in self.tables)
        command = " ".join(("rerank", self.command, self.name, *self.options))
        return "\n\n".join((f"`{command}`: {self.machine}", f"Settings: {settings}", *warning, *tables)) + "\n"


def write_report(report: Report, draw: Draw | None, *, folder: Path = FOLDER, now: float | None = None) -> Path:
    """Write `report.json`, `report.md` and `plot.png` into a new folder, and return it."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() if now is None else now))
    target = folder / f"{report.name}-{stamp}"
    target.mkdir(parents=True)
    write_into(target, report, draw)
    return target


def write_into(target: Path, report: Report, draw: Draw | None) -> None:
    """Write `report.json`, `report.md` and `plot.png` into a folder that is there, in place of older ones."""
    (target / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report, enc_hook=str), indent=1))
    (target / "report.md").write_text(report.markdown())
    if draw is not None:
        figure = Figure(figsize=(9, 5), layout="constrained")
        draw(figure)
        figure.savefig(target / "plot.png", dpi=120)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
