"""One trained network in float, bf16, int8 dynamic and int8 static: quality, order, time and bytes of each.

The ONNX forms run as the sidecar serves them; ONNX Runtime has no bf16 products on x86: bf16 runs in torch, and float in torch beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from torch import nn

from benchmarks.report import Cell as TableCell
from benchmarks.report import Draw, Table
from sidecar.encoding import TextEncoder
from training.batches import ListDataset, TokenStore, collate_pairs, pad
from training.experiments.cells import Advance, Cell, finish
from training.experiments.lab import Lab, Outcome, quiet
from training.experiments.serving import ServedFigures, measure
from training.experiments.sets import HeldOut
from training.experiments.tables import comparison_table
from training.export.directory import ModelInfo, export
from training.networks import load_network, load_text_encoder
from training.run_file import read_run_file

FLOAT, DYNAMIC, STATIC, TORCH_FLOAT, TORCH_BF16 = "float", "int8 dynamic", "int8 static", "float, torch", "bf16, torch"
_INFO = ModelInfo("experiment", "0", "One form of a network.", "", ())
_HITS = 100
_BATCH = 20


def quantization(lab: Lab, run: Path, *, windows: int) -> Outcome:
    """Measure every form of a finished run's network; static int8 is calibrated on the first training set."""
    tests = lab.held_out()
    calibration = Path(lab.training_sets()[0].path)
    cells = [
        *(
            _onnx_cell(name, run, tests, windows, int8=name != FLOAT, calibration=calibration if name == STATIC else None)
            for name in (FLOAT, DYNAMIC, STATIC)
        ),
        *(_torch_cell(name, run, tests, windows, dtype) for name, dtype in ((TORCH_FLOAT, torch.float32), (TORCH_BF16, torch.bfloat16))),
    ]
    measured = dict(zip((cell.name for cell in cells), finish(cells, ServedFigures, lab.folder / "cells", lab.progress), strict=True))
    found = {name: {test.name: test.ndcg(each.scores[test.name]) for test in tests} for name, each in measured.items()}
    quality = comparison_table("Quantization", found, FLOAT, notes=(f"All forms are of the network that the run `{run.name}` left.",))
    return Outcome((quality, _costs(measured)), _draw(measured), measured, {"run": run.name})


def rank_correlation(scores: ServedFigures, reference: ServedFigures) -> float:
    """The mean over all lists of Spearman's rank correlation with the reference."""
    found = [
        spearmanr(own, other).statistic
        for name, lists in scores.scores.items()
        for own, other in zip(lists, reference.scores[name], strict=True)
        if len(own) > 2
    ]
    return float(np.nanmean(found))


def _onnx_cell(
    name: str, run: Path, tests: Sequence[HeldOut], windows: int, *, int8: bool, calibration: Path | None
) -> Cell[ServedFigures]:
    def work(advance: Advance) -> ServedFigures:
        with tempfile.TemporaryDirectory(prefix="rerank-experiment-") as folder:
            with quiet():
                export(run, Path(folder), _INFO, int8=int8, calibration=calibration)
            figures = measure(Path(folder), tests, windows=windows)
        advance(1)
        return figures

    return Cell(name, _settings(name, run, tests, windows), work)


def _torch_cell(name: str, run: Path, tests: Sequence[HeldOut], windows: int, dtype: torch.dtype) -> Cell[ServedFigures]:
    def work(advance: Advance) -> ServedFigures:
        described = read_run_file(run / "run.yaml")
        with quiet():
            network = load_network(described.model, run / "model").to(dtype).eval()
        # The run's own tokenizer: what it started from may be gone.
        encoder = load_text_encoder(str(run / "model"), described.template)
        scores = {test.name: _torch_scores(network, encoder, test) for test in tests}
        size = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
        figures = ServedFigures(scores, _torch_ms(network, encoder, tests[0], windows), size)
        advance(1)
        return figures

    return Cell(name, _settings(name, run, tests, windows), work)


def _settings(name: str, run: Path, tests: Sequence[HeldOut], windows: int) -> tuple[object, ...]:
    # A run that was trained anew is another one.
    weights = (run / "model" / "model.safetensors").stat()
    return (name, str(run), weights.st_mtime_ns, [test.path for test in tests], windows)


@torch.inference_mode()
def _torch_scores(network: nn.Module, encoder: TextEncoder, test: HeldOut) -> list[list[float]]:
    store = TokenStore(encoder)
    store.add(test.documents())
    dataset = ListDataset(test.lists, store)
    batches = (collate_pairs(store.encoder, [dataset[number]]) for number in range(len(dataset)))
    return [network(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]).float().tolist() for batch in batches]


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


def _costs(measured: Mapping[str, ServedFigures]) -> Table:
    rows: list[tuple[TableCell, ...]] = [
        (name, f"{rank_correlation(each, measured[FLOAT]):.4f}", each.ms, each.bytes / 2**20) for name, each in measured.items()
    ]
    notes = (
        "Rank correlation: Spearman's, mean over all test lists. Milliseconds: median window of 100 hits, documents seen before. MiB: the "
        "graphs, or torch's weights. Both int8 forms "
        "keep embeddings in int8 rows.",
    )
    return Table("Order and cost", ("", "rank correlation with float", "ms per 100 hits", "MiB"), tuple(rows), notes)


def _draw(measured: Mapping[str, ServedFigures]) -> Draw:
    def onto(figure: Figure) -> None:
        axes = figure.add_subplot()
        names = list(measured)
        axes.bar(names, [measured[name].ms for name in names])
        axes.set(
            ylabel="ms per 100 hits",
            title=f"mean rank correlation {fmean(rank_correlation(measured[n], measured[FLOAT]) for n in names):.3f}",
        )

    return onto
