"""Students of one teacher: how many layers, which loss, and which way of reading documents buys how much quality and time.

Every student learns the teacher's scores of the judged training lists, is exported to int8 and measured as the sidecar serves it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import msgspec
from matplotlib.figure import Figure
from transformers import AutoConfig

from benchmarks.report import Cell as TableCell
from benchmarks.report import Draw, Table
from training.bases import base_directory
from training.distil.sets import write_scored
from training.experiments.cells import Advance, Cell, finish
from training.experiments.lab import TEMPLATE, Lab, Outcome, quiet, train_settings, trained
from training.experiments.serving import ServedFigures, measure
from training.experiments.sets import HeldOut
from training.experiments.tables import comparison_table, over_seeds
from training.export.directory import ModelInfo, export
from training.run_file import DataSpec, LossSpec, ModelKind, ModelSpec, RunFile

_INFO = ModelInfo("experiment", "0", "A student of an experiment.", "", ())
TEACHER = "teacher"


@dataclass(frozen=True, slots=True)
class Student:
    """A row: which of its base's layers (or how many, spread evenly), the loss, and how it reads documents.

    The base is the teacher where none is named: a larger encoder is one way to more layers than the teacher has. Of a decomposed student
    `apart` layers read query and document apart, and `width` numbers are kept of a token.
    """

    name: str
    layers: int | tuple[int, ...]
    loss: str = "kl"
    kind: ModelKind = "cross-encoder"
    base: str | None = None
    apart: int = 2
    width: int | None = None

    @property
    def count(self) -> int:
        """How many layers it has."""
        return self.layers if isinstance(self.layers, int) else len(self.layers)


# The first layers of a teacher match query and document: they are split there, and the last one answers.
_LOW = (0, 1, 2, 5)
STUDENTS = (
    *(Student(f"{layers} layer{'s' if layers > 1 else ''}, kl", layers) for layers in (1, 2, 3, 4, 6)),
    *(Student(f"{layers} layers of e5-small, kl", layers, base="e5-small") for layers in (6, 9, 12)),
    Student("3 layers, MarginMSE", 3, "margin_mse"),
    Student("3 layers, RankDistil", 3, "rank_distil"),
    Student("3 layers, judgments alone", 3, "softmax"),
    Student("decomposed, 4 layers apart, 2 together", 6, kind="decomposed", apart=4),
    Student("decomposed, 2 apart, 2 together", _LOW, kind="decomposed"),
    Student("decomposed, 2 apart, 2 together, 128 wide", _LOW, kind="decomposed", width=128),
    Student("decomposed, 2 apart, 2 together, 64 wide", _LOW, kind="decomposed", width=64),
    Student("dot product, 6 layers", 6, kind="bi-encoder", base="minilm"),
    Student("dot product, 3 layers", 3, kind="bi-encoder", base="minilm"),
)


def size(lab: Lab, teacher: Path, *, students: Sequence[Student] = STUDENTS, windows: int) -> Outcome:
    """Distil, export and measure each student, the teacher's own export beside them."""
    tests = lab.held_out()
    total = _layers(teacher / "model")
    plan = _plan(lab, teacher, total, students, tests, windows)
    measured: dict[str, list[ServedFigures]] = {}
    figures = finish([cell for _, cell in plan], ServedFigures, lab.folder / "cells", lab.progress)
    for (name, _), each in zip(plan, figures, strict=True):
        measured.setdefault(name, []).append(each)
    found = {
        name: {test.name: over_seeds([test.ndcg(each.scores[test.name]) for each in networks]) for test in tests}
        for name, networks in measured.items()
    }
    notes = (
        f"Every student starts from layers of the teacher (the run `{teacher.name}`, {total} layers; where e5-small is named, of that; the "
        "dot product of MiniLM) and learns the teacher's scores of the judged training lists (one: the judgments alone) for equally many "
        "steps. All are int8, scored by the sidecar's engine; the decomposed one and the dot product have their documents' states and "
        "vectors at hand.",
    )
    quality = comparison_table("Students", found, TEACHER, split=lab.split, notes=notes)
    means = {name: fmean(fmean(values.values()) for values in by_set.values()) for name, by_set in found.items()}
    return Outcome((quality, _costs(measured, means)), _draw(measured, means), measured, {"teacher": teacher.name})


def _plan(
    lab: Lab, teacher: Path, total: int, students: Sequence[Student], tests: Sequence[HeldOut], windows: int
) -> list[tuple[str, Cell[ServedFigures]]]:
    """The rows' cells: the teacher's, and one a student and seed."""
    sets = _scored(lab, teacher)
    plan = [(TEACHER, _teacher_cell(teacher, tests, windows))]
    for student in students:
        available = _layers(base_directory(student.base)) if student.base else total
        if student.count <= available:
            runs = [_run(lab, student, teacher, sets, available, seed) for seed in lab.seeds]
            plan += [(student.name, _student_cell(student, run, tests, windows)) for run in runs]
    return plan


def _layers(encoder: Path | str) -> int:
    return int(AutoConfig.from_pretrained(encoder).num_hidden_layers)


def spread_layers(count: int, total: int) -> tuple[int, ...]:
    """`count` of `total` layers, evenly, the first and the last among them."""
    return (0,) if count == 1 else tuple(round(place * (total - 1) / (count - 1)) for place in range(count))


def _scored(lab: Lab, teacher: Path) -> tuple[DataSpec, ...]:
    """The judged training lists with the teacher's scores."""
    written = []
    for spec in lab.training_sets():
        source = Path(spec.path)
        # A teacher that was trained anew is another one, and so are its students.
        trained_at = int((teacher / "model" / "model.safetensors").stat().st_mtime)
        target = source.with_name(f"{source.name}-by-{teacher.name}-{trained_at}")
        if not (target / "lists.jsonl.gz").is_file():
            with quiet():
                write_scored(source, target, {teacher: 1.0}, own_weight=0.0, cache=lab.folder / "teacher-scores")
        written.append(DataSpec(str(target)))
    return tuple(written)


def _run(lab: Lab, student: Student, teacher: Path, sets: tuple[DataSpec, ...], total: int, seed: int) -> RunFile:
    layers = student.layers if isinstance(student.layers, tuple) else spread_layers(student.layers, total)
    model = ModelSpec(student.base or str(teacher / "model"), student.kind, layers=layers, dropout=0.0)
    if student.kind == "decomposed":
        apart = min(student.apart, len(layers) - 1) or 1
        model = msgspec.structs.replace(model, lower_layers=apart, state_width=student.width)
    return RunFile(student.name, model, sets, {student.loss: LossSpec()}, template=TEMPLATE, train=train_settings(lab.steps, seed))


def _student_cell(student: Student, run: RunFile, tests: Sequence[HeldOut], windows: int) -> Cell[ServedFigures]:
    def work(advance: Advance) -> ServedFigures:
        with tempfile.TemporaryDirectory(prefix="rerank-experiment-") as folder:
            trained(run, Path(folder) / "run", advance)
            return _exported(Path(folder) / "run", Path(folder) / "model", tests, windows)

    return Cell(student.name, (run, [test.path for test in tests], windows), work, run.train.max_steps)


def _teacher_cell(teacher: Path, tests: Sequence[HeldOut], windows: int) -> Cell[ServedFigures]:
    def work(advance: Advance) -> ServedFigures:
        with tempfile.TemporaryDirectory(prefix="rerank-experiment-") as folder:
            figures = _exported(teacher, Path(folder), tests, windows)
        advance(1)
        return figures

    weights = (teacher / "model" / "model.safetensors").stat()
    return Cell(TEACHER, (str(teacher), weights.st_mtime_ns, [test.path for test in tests], windows), work)


def _exported(run: Path, directory: Path, tests: Sequence[HeldOut], windows: int) -> ServedFigures:
    with quiet():
        export(run, directory, _INFO)
    return measure(directory, tests, windows=windows)


def _costs(measured: Mapping[str, Sequence[ServedFigures]], means: Mapping[str, float]) -> Table:
    rows: list[tuple[TableCell, ...]] = [
        (name, f"{means[name]:.3f}", _ms(networks), networks[0].bytes / 2**20, _kept(networks[0])) for name, networks in measured.items()
    ]
    notes = (
        "Milliseconds: median window of 100 hits, documents seen before, on this machine's cores. NDCG@10: the mean over the sets.",
        "Bytes a document: what is kept of one ahead of searches, mean over the judged documents, whose texts are cut at "
        f"{TEMPLATE.max_document_tokens} tokens here.",
    )
    return Table("Quality and cost", ("", "NDCG@10", "ms per 100 hits", "MiB of graphs", "bytes a document"), tuple(rows), notes)


def _kept(figures: ServedFigures) -> str:
    return f"{figures.document_bytes:,.0f}" if figures.document_bytes else "none"


def _ms(networks: Sequence[ServedFigures]) -> float:
    return median(each.ms for each in networks)


def _draw(measured: Mapping[str, Sequence[ServedFigures]], means: Mapping[str, float]) -> Draw:
    def onto(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, networks in measured.items():
            point = (_ms(networks), means[name])
            axes.scatter(*point)
            axes.annotate(name, point, xytext=(5, 4), textcoords="offset points", fontsize=8)
        axes.set(xlabel="ms per 100 hits", ylabel="NDCG@10", xlim=(0, None))

    return onto
