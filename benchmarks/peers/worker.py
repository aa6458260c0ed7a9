"""One contestant in its own process: reads requests, one JSON object a line, answers the time it took and its scores.

stdin {"query", "documents"} -> rerank, timed here, alone on the machine -> stdout {"ms", "scores", "rss_mib"}

Runs as `python worker.py NAME '{"directory": ...}'` in NAME's own environment, with the settings that its makers' documentation shows.
Invariant: only the answers reach standard output, whatever the libraries print.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Rerank = Callable[[str, list[str]], list[float]]
# The names under which FlashRank knows files: a folder of that name in its cache is used as it is.
_FLASHRANK_NAME = "ms-marco-MiniLM-L-12-v2"
_FLASHRANK_FILE = "flashrank-MiniLM-L-12-v2_Q.onnx"


def sentence_transformers_onnx(options: Mapping[str, Any]) -> Rerank:
    """CrossEncoder on its ONNX backend."""
    from sentence_transformers import CrossEncoder  # noqa: PLC0415 - in its own environment only

    settings = {"file_name": "onnx/model_quantized.onnx", "provider": "CPUExecutionProvider"}
    model = CrossEncoder(options["directory"], backend="onnx", model_kwargs=settings, device="cpu", local_files_only=True)
    return lambda query, documents: _predicted(model, query, documents, options["batch_size"])


def sentence_transformers_torch(options: Mapping[str, Any]) -> Rerank:
    """CrossEncoder on torch, in float."""
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    model = CrossEncoder(options["directory"], device="cpu", local_files_only=True)
    return lambda query, documents: _predicted(model, query, documents, options["batch_size"])


def flashrank(options: Mapping[str, Any]) -> Rerank:
    """FlashRank's Ranker; its files are found by name in a cache folder, so ours lies there under one of its names."""
    from flashrank import Ranker, RerankRequest  # noqa: PLC0415

    folder = Path(options["directory"]) / "flashrank" / _FLASHRANK_NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        _link(Path(options["directory"]) / name, folder / name)
    _link(Path(options["directory"]) / "onnx" / "model_quantized.onnx", folder / _FLASHRANK_FILE)
    ranker = Ranker(model_name=_FLASHRANK_NAME, cache_dir=str(folder.parent), log_level="ERROR")

    def rerank(query: str, documents: list[str]) -> list[float]:
        listed = [{"id": position, "text": text} for position, text in enumerate(documents)]
        ranked = ranker.rerank(RerankRequest(query=query, passages=listed))
        return [float(entry["score"]) for entry in sorted(ranked, key=lambda entry: int(entry["id"]))]

    return rerank


def fastembed(options: Mapping[str, Any]) -> Rerank:
    """fastembed's TextCrossEncoder with a model of one's own."""
    from fastembed.common.model_description import ModelSource  # noqa: PLC0415
    from fastembed.rerank.cross_encoder import TextCrossEncoder  # noqa: PLC0415

    name = "benchmark/same-file"
    TextCrossEncoder.add_custom_model(name, sources=ModelSource(hf=name), model_file="onnx/model_quantized.onnx")
    model = TextCrossEncoder(name, specific_model_path=options["directory"], local_files_only=True)
    return lambda query, documents: [float(score) for score in model.rerank(query, documents)]


def sidecar(options: Mapping[str, Any]) -> Rerank:
    """This project's engine as a library, its caches off: every round scores everything."""
    from sidecar.config import Settings  # noqa: PLC0415
    from sidecar.factory import make_engine  # noqa: PLC0415
    from sidecar.metrics import Metrics  # noqa: PLC0415
    from sidecar.ranking import RankRequest  # noqa: PLC0415

    directory = Path(options["directory"])
    settings = Settings(
        models=(directory.parent,), default_profile=directory.name, score_cache_mb=0, document_cache_mb=0, reload_interval_s=0
    )
    engine = make_engine(settings, Metrics())
    engine.refresh()
    engine.check_ready()

    def rerank(query: str, documents: list[str]) -> list[float]:
        unknown = [None] * len(documents)
        deadline = time.monotonic() + 60
        return engine.rank(RankRequest(query, documents, unknown, unknown, None, deadline)).scores

    return rerank


ADAPTERS: dict[str, Callable[[Mapping[str, Any]], Rerank]] = {
    "sentence-transformers-onnx": sentence_transformers_onnx,
    "sentence-transformers-torch": sentence_transformers_torch,
    "flashrank": flashrank,
    "fastembed": fastembed,
    "sidecar": sidecar,
}


def serve(rerank: Rerank, requests: Any, answers: Any) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        request = json.loads(line)
        started = time.perf_counter()
        scores = rerank(request["query"], request["documents"])
        ms = (time.perf_counter() - started) * 1000
        answers.write(json.dumps({"ms": ms, "scores": scores, "rss_mib": resident_mib()}) + "\n")
        answers.flush()


def resident_mib() -> float:
    """This process's resident memory, where the system tells it."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _predicted(model: Any, query: str, documents: list[str], batch_size: int) -> list[float]:
    scores = model.predict([(query, text) for text in documents], batch_size=batch_size, show_progress_bar=False)
    return [float(score) for score in scores]


def _link(source: Path, target: Path) -> None:
    if not target.exists():
        os.link(source, target)


def main() -> None:
    """Load the contestant, say ready, serve."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    rerank = ADAPTERS[sys.argv[1]](json.loads(sys.argv[2]))
    rerank("warm up", ["a first document", "and a second, somewhat longer one"])
    answers.write(json.dumps({"ready": True}) + "\n")
    answers.flush()
    serve(rerank, sys.stdin, answers)


if __name__ == "__main__":
    main()
