"""Trained networks in float, bf16, int8 dynamic and int8 static: quality, order, time and bytes of each form.

The ONNX forms run as the sidecar serves them; ONNX Runtime has no bf16 products on x86: bf16 runs in torch, and float in torch beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from torch import nn

from benchmarks.report import Cell as TableCell
from benchmarks.report import Draw, Table
from sidecar.encoding import TextEncoder
from training.batches import ListDataset, TokenStore, pad
from training.experiments.cells import Advance, Cell, finish
from training.experiments.lab import Lab, Outcome, quiet
from training.experiments.serving import ServedFigures, measure
from training.experiments.sets import HeldOut
from training.experiments.tables import comparison_table
from training.export.directory import ModelInfo, export
from training.networks import Collate, build_collate, load_network, load_text_encoder
from training.run_file import read_run_file
from training.run_sets import set_names
from training.trainer import list_logits

FLOAT, DYNAMIC, UNEVEN, STATIC = "float", "int8 dynamic", "int8 dynamic, outliers left", "int8 static"
TORCH_FLOAT, TORCH_BF16 = "float, torch", "bf16, torch"
# A decomposed network keeps its documents' states in int8 in every form that is served.
FLOAT_STATES = "float, states in float too, torch"
_INFO = ModelInfo("experiment", "0", "One form of a network.", "", ())
_HITS = 100
_BATCH = 20


def quantization(lab: Lab, runs: Sequence[Path], *, windows: int) -> Outcome:
    """Measure every form of finished runs' networks; static int8 is calibrated on the first training set."""
    tests = lab.held_out()
    tables: list[Table] = []
    measured: dict[str, dict[str, ServedFigures]] = {}
    for name, run in zip(set_names([str(run) for run in runs]), runs, strict=True):
        cells = _cells(lab, run, tests, windows)
        figures = dict(zip((cell.name for cell in cells), finish(cells, ServedFigures, lab.folder / "cells", lab.progress), strict=True))
        found = {form: {test.name: test.ndcg(each.scores[test.name]) for test in tests} for form, each in figures.items()}
        note = f"All forms are of the network that the run `{name}` left."
        tables += [comparison_table(f"Quantization of {name}", found, cells[0].name, split=lab.split, notes=(note,)), _costs(name, figures)]
        measured[name] = figures
    return Outcome(tuple(tables), _draw(measured), measured, {"runs": " ".join(measured)})


def _cells(lab: Lab, run: Path, tests: Sequence[HeldOut], windows: int) -> list[Cell[ServedFigures]]:
    """The forms of a run's network; the first one is what the others are compared with."""
    served = partial(_onnx_cell, run=run, tests=tests, windows=windows)
    forms = [served(FLOAT, int8=False), served(DYNAMIC), served(UNEVEN, divide_outliers=False)]
    if read_run_file(run / "run.yaml").model.kind == "decomposed":
        return [_torch_cell(FLOAT_STATES, run, tests, 0, torch.float32), *forms]
    in_torch = ((TORCH_FLOAT, torch.float32), (TORCH_BF16, torch.bfloat16))
    calibration = Path(lab.training_sets()[0].path)
    return [*forms, served(STATIC, calibration=calibration), *(_torch_cell(name, run, tests, windows, dtype) for name, dtype in in_torch)]


def rank_correlation(scores: ServedFigures, reference: ServedFigures) -> float:
    """The mean over all lists of Spearman's rank correlation with the reference."""
    found = [
        spearmanr(own, other).statistic
        for name, lists in scores.scores.items()
        for own, other in zip(lists, reference.scores[name], strict=True)
        if len(own) > 2
    ]
    return float(np.nanmean(found))


def _onnx_cell(name: str, *, run: Path, tests: Sequence[HeldOut], windows: int, **form: Any) -> Cell[ServedFigures]:
    def work(advance: Advance) -> ServedFigures:
        with tempfile.TemporaryDirectory(prefix="rerank-experiment-") as folder:
            with quiet():
                export(run, Path(folder), _INFO, **form)
            figures = measure(Path(folder), tests, windows=windows)
        advance(1)
        return figures

    return Cell(name, (*_settings(name, run, tests, windows), *map(str, form.items())), work)


def _torch_cell(name: str, run: Path, tests: Sequence[HeldOut], windows: int, dtype: torch.dtype) -> Cell[ServedFigures]:
    def work(advance: Advance) -> ServedFigures:
        described = read_run_file(run / "run.yaml")
        with quiet():
            network = _converted(load_network(described.model, run / "model"), dtype).eval()
        # The run's own tokenizer: what it started from may be gone.
        encoder = load_text_encoder(str(run / "model"), described.template)
        collate = build_collate(described.model, encoder)
        scores = {test.name: _torch_scores(network, encoder, collate, test) for test in tests}
        size = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
        # It reads documents with their query, which says nothing of a form that keeps their states: no time without windows.
        figures = ServedFigures(scores, _torch_ms(network, encoder, tests[0], windows) if windows else 0.0, size)
        advance(1)
        return figures

    return Cell(name, _settings(name, run, tests, windows), work)


def _converted(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The network in `dtype`; a BERT classifier's head stays in 32 bits, in which it is computed (`training.models.layers.classify`)."""
    network = network.to(dtype)
    for name, module in network.named_modules():
        if name in {"model.bert.pooler", "model.classifier"} and hasattr(network.model, "bert"):
            module.float()
    return network


def _settings(name: str, run: Path, tests: Sequence[HeldOut], windows: int) -> tuple[object, ...]:
    # A run that was trained anew is another one.
    weights = (run / "model" / "model.safetensors").stat()
    return ("outliers divided", name, str(run), (run / "run.yaml").read_text(), weights.st_mtime_ns, [test.path for test in tests], windows)


@torch.inference_mode()
def _torch_scores(network: nn.Module, encoder: TextEncoder, collate: Collate, test: HeldOut) -> list[list[float]]:
    store = TokenStore(encoder)
    store.add(test.documents())
    dataset = ListDataset(test.lists, store)
    batches = (collate([dataset[number]]) for number in range(len(dataset)))
    return [list_logits(network, batch)[0].float().tolist() for batch in batches]


@torch.inference_mode()
def _torch_ms(network: nn.Module, encoder: TextEncoder, test: HeldOut, windows: int) -> float:
    """The median window of 100 hits, cut into batches of like length as the sidecar cuts them; tokens are at hand."""
    documents = sorted((encoder.encode_document(fields) for fields in list(test.documents().values())[:_HITS]), key=len)
    times = []
    for item in test.lists[:windows]:
        started = time.perf_counter()
        query = encoder.encode_query(item.query)
        for start in range(0, len(documents), _BATCH):
            pairs = [encoder.pair(query, document) for document in documents[start : start + _BATCH]]
            ids, mask = pad([ids for ids, _ in pairs], encoder.pad)
            network(ids, mask, pad([types for _, types in pairs], 0)[0])
        times.append((time.perf_counter() - started) * 1000)
    return median(times) * _HITS / len(documents)


def _costs(run: str, measured: Mapping[str, ServedFigures]) -> Table:
    reference, *_ = measured.values()
    rows: list[tuple[TableCell, ...]] = [
        (name, f"{rank_correlation(each, reference):.4f}", each.ms or None, each.bytes / 2**20) for name, each in measured.items()
    ]
    notes = (
        "Rank correlation: Spearman's, mean over all judged lists. Milliseconds: median window of 100 hits, documents seen before. MiB: "
        "the graphs, or torch's weights. All int8 forms keep embeddings in int8 rows; with outliers left, the widest inputs of "
        "feed-forwards are not divided.",
    )
    return Table(f"Order and cost of {run}", ("", "rank correlation with the first row", "ms per 100 hits", "MiB"), tuple(rows), notes)


def _draw(measured: Mapping[str, Mapping[str, ServedFigures]]) -> Draw:
    def onto(figure: Figure) -> None:
        for axes, (run, forms) in zip(figure.subplots(len(measured), squeeze=False)[:, 0], measured.items(), strict=True):
            reference, *_ = forms.values()
            timed = {name: each for name, each in forms.items() if each.ms}
            bars = axes.barh(list(timed), [each.ms for each in timed.values()])
            axes.bar_label(bars, [f"{rank_correlation(each, reference):.3f}" for each in timed.values()])
            axes.set(xlabel="ms per 100 hits; beside the bars: rank correlation", title=run)
        figure.tight_layout()

    return onto
