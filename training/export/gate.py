"""The gate before an int8 model is shipped: float and int8 on the same judged lists, through the sidecar's own scorers.

Refuses a model that loses more than the allowed NDCG@10; an override is written on the card.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from sidecar.backends.onnx import OnnxGraph
from sidecar.decomposed import DecomposedModel
from sidecar.embedder import Embedder
from sidecar.encoding import DocumentTokens, Fields, TextEncoder
from sidecar.manifest import FILE_NAME, Manifest
from sidecar.profiles import open_directory
from sidecar.scorer import CrossEncoder
from training.batches import TrainingList
from training.export.directory import ModelInfo, annotate, export
from training.metrics.batch import ndcg
from training.training_set import read_documents, read_lists

ALLOWED_LOSS = 0.003
_BATCH = 8
Scores = npt.NDArray[np.float32]


class GateFailed(Exception):
    """The int8 model loses more than is allowed."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """NDCG@10 of both models on the same lists, and the mean rank correlation of their orders (Spearman)."""

    float_ndcg: float
    int8_ndcg: float
    correlation: float
    lists: int

    @property
    def loss(self) -> float:
        """What quantization costs; negative where int8 happens to be better."""
        return self.float_ndcg - self.int8_ndcg

    def quality(self) -> dict[str, Any]:
        """The entries for the manifest."""
        return {
            "gate: NDCG@10 float": round(self.float_ndcg, 4),
            "gate: NDCG@10 int8": round(self.int8_ndcg, 4),
            "gate: rank correlation float, int8": round(self.correlation, 4),
            "gate: judged lists": self.lists,
        }


def gated_export(
    run: Path,
    output: Path,
    info: ModelInfo,
    gate: Path,
    *,
    allowed_loss: float | None = None,
    calibration: Path | None = None,
    max_document_tokens: int | None = None,
) -> Manifest:
    """Export to int8 (static, with a set for `calibration`) and compare with the float model on the judged lists of the training set
    `gate`; raises GateFailed."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float"
        export(run, plain, info, int8=False, max_document_tokens=max_document_tokens)
        manifest = export(run, output, info, calibration=calibration, max_document_tokens=max_document_tokens)
        report = compare(plain, output, read_lists(gate), read_documents(gate))
    limit = ALLOWED_LOSS if allowed_loss is None else allowed_loss
    if report.loss > limit:
        (output / FILE_NAME).unlink()
        raise GateFailed(
            f"int8 loses {report.loss:.4f} NDCG@10 ({report.float_ndcg:.4f} -> {report.int8_ndcg:.4f}, {report.lists} lists), allowed "
            f"{limit}: {output} is left without a manifest. Accept it with --allow-loss {report.loss:.3f}, or keep float weights: --float"
        )
    quality = {**manifest.quality, **report.quality()}
    if allowed_loss is not None and report.loss > ALLOWED_LOSS:
        quality["gate: overridden"] = f"a loss of {report.loss:.4f} was accepted, {ALLOWED_LOSS} is the usual limit"
    return annotate(output, info.summary, quality=quality)


def compare(plain: Path, quantized: Path, lists: Sequence[TrainingList], documents: Mapping[str, Fields]) -> GateReport:
    """Score the judged lists with both model directories."""
    judged = [(item, np.asarray(item.grades)) for item in lists if item.grades is not None]
    if not judged:
        raise ValueError("the gate's training set has no graded lists")
    rows = [[score(item, documents) for item, _ in judged] for score in (scorer(plain), scorer(quantized))]
    values = [[_ndcg(scores, grades) for scores, (_, grades) in zip(row, judged, strict=True)] for row in rows]
    correlations = [spearmanr(first, second).statistic for first, second in zip(*rows, strict=True) if len(first) > 2]
    means = [float(np.nanmean(column)) for column in values]
    return GateReport(means[0], means[1], float(np.nanmean(correlations)), len(judged))


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
