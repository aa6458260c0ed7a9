"""The gate before an int8 model is shipped: float and int8 on the same judged lists, through the sidecar's own scorers.

Every judged set is compared on its own, and the worst loss counts: a mean over sets would hide it. Refuses a model that loses more than the
allowed NDCG@10, before it takes the place of the served one; an override is written on the card.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from sidecar.backends.onnx import OnnxGraph
from sidecar.decomposed import DecomposedModel
from sidecar.embedder import Embedder
from sidecar.encoding import DocumentTokens, Fields, TextEncoder
from sidecar.manifest import Manifest
from sidecar.profiles import open_directory
from sidecar.scorer import CrossEncoder
from training.batches import TrainingList
from training.export.directory import ModelInfo, annotate, export
from training.export.placement import replacing
from training.metrics.batch import ndcg
from training.metrics.significance import bootstrap_interval
from training.training_set import read_documents, read_lists

ALLOWED_LOSS = 0.003
_BATCH = 8
Scores = npt.NDArray[np.float32]
Advance = Callable[[int], None]
# A name and how many steps there are -> what is told of steps done, for as long as the work takes.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


class GateFailed(Exception):
    """The int8 model loses more than is allowed."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """NDCG@10 of both models on the same lists of one set, and the mean rank correlation of their orders (Spearman; none where no list has
    three hits).

    `interval` is the 95 % bootstrap interval of the loss over lists: a small set has noise of its own, often beyond the limit.
    """

    judged: str
    float_ndcg: float
    int8_ndcg: float
    correlation: float | None
    lists: int
    interval: tuple[float, float]

    @property
    def loss(self) -> float:
        """What quantization costs; negative where int8 happens to be better."""
        return self.float_ndcg - self.int8_ndcg

    def quality(self) -> dict[str, Any]:
        """The entries for the manifest."""
        measured = f"gate on {self.judged}, {self.lists} lists"
        entries: dict[str, Any] = {
            f"{measured}: NDCG@10 float": round(self.float_ndcg, 4),
            f"{measured}: NDCG@10 int8": round(self.int8_ndcg, 4),
            f"{measured}: loss, 95 % interval": f"{self.interval[0]:.4f} to {self.interval[1]:.4f}",
        }
        if self.correlation is not None:
            entries[f"{measured}: rank correlation float, int8"] = round(self.correlation, 4)
        return entries

    def __str__(self) -> str:
        return (
            f"{self.loss:.4f} on {self.judged} ({self.float_ndcg:.4f} -> {self.int8_ndcg:.4f}, {self.lists} lists, "
            f"95 % interval {self.interval[0]:.4f} to {self.interval[1]:.4f})"
        )


def gated_export(
    run: Path,
    output: Path,
    info: ModelInfo,
    gates: Sequence[Path],
    *,
    allowed_loss: float | None = None,
    calibration: Path | None = None,
    max_document_tokens: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Export to int8 (static, with a set for `calibration`) and compare with the float model on the judged lists of each training set of
    `gates`; raises GateFailed where one loses too much. `output` is written only when none does."""
    names = set_names(gates)
    with tempfile.TemporaryDirectory() as folder, replacing(output) as made:
        plain = Path(folder) / "float"
        export(run, plain, info, int8=False, max_document_tokens=max_document_tokens)
        export(run, made, info, calibration=calibration, max_document_tokens=max_document_tokens)
        reports = []
        for name, gate in zip(names, gates, strict=True):
            lists = telling(name, read_lists(gate))
            with progress(f"gate on {name}", 2 * len(lists)) if progress else nullcontext(lambda _: None) as advance:
                reports.append(compare(name, plain, made, lists, read_documents(gate), advance))
        refuse_loss(reports, ALLOWED_LOSS if allowed_loss is None else allowed_loss, output)
        return annotate(made, info.summary, quality={**info.quality, **gate_quality(reports)})


def set_names(gates: Sequence[Path]) -> list[str]:
    """What cards and refusals call the judged sets: their folders' names, which have to differ."""
    names = [gate.absolute().name for gate in gates]
    if not names:
        raise ValueError("the gate has no judged set to compare on: name at least one")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValueError(f"the gate has two sets of the name {name!r}, by which the card would mix them up: rename one's folder")
    return names


def refuse_loss(reports: Sequence[GateReport], limit: float, output: Path) -> None:
    """Raise GateFailed, of the worst set first and of all others, where one loses more than the limit."""
    worst = max(reports, key=lambda report: report.loss)
    if worst.loss <= limit:
        return
    others = [str(report) for report in reports if report is not worst]
    # Rounded up: the loss that the message tells to allow must pass.
    allowed = math.ceil(worst.loss * 1000) / 1000
    raise GateFailed(
        f"int8 loses NDCG@10: {'; '.join([str(worst), *others])}; the greatest loss allowed is {limit}. {output} stays as it was. "
        f"Accept the loss with --allow-loss {allowed:.3f}, or keep float weights: --float"
    )


def gate_quality(reports: Sequence[GateReport]) -> dict[str, Any]:
    """Every set's entries, and what was overridden: a loss beyond the usual limit comes this far only by --allow-loss."""
    entries = {name: value for report in reports for name, value in report.quality().items()}
    accepted = [str(report) for report in reports if report.loss > ALLOWED_LOSS]
    if accepted:
        entries["gate: overridden"] = f"accepted by --allow-loss, where {ALLOWED_LOSS} is the usual limit: a loss of {'; '.join(accepted)}"
    return entries


def telling(judged: str, lists: Sequence[TrainingList]) -> list[TrainingList]:
    """The lists of the set called `judged` that have hits of different grades: every order of the others has the same NDCG, and each of
    them would only make a loss look smaller. Raises ValueError where there is none.
    """
    found = [item for item in lists if len(set(item.grades or ())) > 1]
    if not found:
        raise ValueError(
            f"the gate's set {judged} has no graded lists with hits of different grades: name one that has, such as "
            "`rerank data lists` writes"
        )
    return found


def compare(
    judged: str,
    plain: Path,
    quantized: Path,
    lists: Sequence[TrainingList],
    documents: Mapping[str, Fields],
    advance: Advance = lambda _: None,
) -> GateReport:
    """Score the telling lists of the set called `judged` with both model directories; `advance` is told of each list scored by one."""
    graded = [(item, np.asarray(item.grades)) for item in telling(judged, lists)]
    rows = [_score_all(directory, [item for item, _ in graded], documents, advance) for directory in (plain, quantized)]
    before, after = (np.array([_ndcg(scores, grades) for scores, (_, grades) in zip(row, graded, strict=True)]) for row in rows)
    interval = bootstrap_interval(before - after)
    return GateReport(judged, float(before.mean()), float(after.mean()), _correlation(*rows), len(graded), interval)


def _correlation(before: Sequence[Scores], after: Sequence[Scores]) -> float | None:
    """The mean of the lists whose orders can be compared; of two hits the correlation is 1 or -1 alone."""
    found = [spearmanr(first, second).statistic for first, second in zip(before, after, strict=True) if len(first) > 2]
    known = [each for each in found if math.isfinite(each)]
    return fmean(known) if known else None


def _score_all(directory: Path, lists: Sequence[TrainingList], documents: Mapping[str, Fields], advance: Advance) -> list[Scores]:
    """Each list's scores; a list to each core at a time, as the sidecar's scoring threads share a session."""
    score = scorer(directory)
    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as cores:
        for row in cores.map(lambda item: score(item, documents), lists):
            rows.append(row)
            advance(1)
    return rows


def scorer(directory: Path) -> Callable[[TrainingList, Mapping[str, Fields]], Scores]:
    """Scores a list's hits with a model directory, as the sidecar would: its own encoder, its own graphs."""
    manifest, encoder, _ = open_directory(directory)
    graph = OnnxGraph(directory / "model.onnx", device="cpu")
    if manifest.kind == "embedder":
        embedder = Embedder(graph, encoder, manifest)
        return lambda item, documents: _cosines(embedder, item, [documents[doc_id] for doc_id in item.doc_ids])
    if manifest.kind == "decomposed":
        model = DecomposedModel(OnnxGraph(directory / "document.onnx", device="cpu"), graph, encoder)
        return lambda item, documents: _batched(
            lambda part: model.score(encoder.encode_query(item.query), model.encode(part)), _tokens(encoder, item, documents)
        )
    pair = CrossEncoder(graph, encoder)
    return lambda item, documents: _batched(
        lambda part: pair.score(encoder.encode_query(item.query), [document.ids for document in part]), _tokens(encoder, item, documents)
    )


def _tokens(encoder: TextEncoder, item: TrainingList, documents: Mapping[str, Fields]) -> list[DocumentTokens]:
    return encoder.encode_documents([encoder.template.compose(documents[doc_id]) for doc_id in item.doc_ids])


def _batched(score: Callable[[Sequence[DocumentTokens]], Scores], documents: Sequence[DocumentTokens]) -> Scores:
    """Scores in document order, computed in small batches of like length, as the sidecar cuts them."""
    order = np.argsort([len(document.ids) for document in documents], kind="stable")
    scores = np.empty(len(documents), dtype=np.float32)
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        scores[part] = score([documents[index] for index in part])
    return scores


def _cosines(embedder: Embedder, item: TrainingList, documents: Sequence[Fields]) -> Scores:
    query = embedder.embed(embedder.tokens([item.query], query=True))[0]
    cosines: Scores = embedder.embed(embedder.tokens(list(documents), query=False)) @ query
    return cosines


def _ndcg(scores: Scores, grades: npt.NDArray[np.float64]) -> float:
    return float(ndcg(scores[None], grades[None], np.ones((1, len(grades)), dtype=bool))[0])
