"""`rerank bench peers`: our engine against the re-rankers of the field, on the same weights and texts.

Two contests: all on an ordinary int8 export, as the peers' users have it (ours on it and on its own export); and all on our export.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.contest import Advance, Entry, hold, table
from benchmarks.contestants import Contestant, Library, Web
from benchmarks.environments import Environment
from benchmarks.machine import this_machine
from benchmarks.plain import POSITIONS, QUANTIZED, Variants
from benchmarks.report import Report
from benchmarks.samples import spread
from benchmarks.workloads import Workload
from cluster.ports import LOCALHOST

OWN, PLAIN, FLOAT = "our int8 export", "ordinary int8 export", "float checkpoint"
ENVIRONMENTS = ("sentence-transformers", "flashrank", "fastembed", "infinity")
_NOTES = (
    "Each peer as its makers document it; FlashRank knows models by its own names only, so the file lies in its cache under one of them.",
    f"The shipped graph is given {POSITIONS} positions, repeated from its own where it has fewer, so that it reads the passages.",
    "infinity drops token_type_ids, so its scores are those of another input.",
)


@dataclass(frozen=True, slots=True)
class Field:
    """Who takes part in each contest."""

    plain: tuple[Contestant, ...]
    own: tuple[Contestant, ...]


def field_of(variants: Variants, environments: dict[str, Environment]) -> Field:
    """All contestants on the forms of one network."""
    ours = _ours(variants.sidecar_own, OWN)
    torch = Library(
        "sentence-transformers, torch, batch 32",
        FLOAT,
        "sentence-transformers-torch",
        {"directory": str(variants.plain), "batch_size": 32},
        environments["sentence-transformers"].python,
    )
    served = served_ours(variants.sidecar_own, OWN)
    plain: tuple[Contestant, ...] = (
        ours,
        _ours(variants.sidecar_plain, PLAIN),
        served,
        *_peers(variants.plain, PLAIN, environments),
        torch,
    )
    return Field(plain, (ours, *_peers(variants.own, OWN, environments)))


def bench_peers(
    field: Field, workloads: Sequence[Workload], *, rounds: int, quick: bool, settings: dict[str, Any], advance: Advance
) -> Report:
    """Both contests."""
    machine = this_machine()
    plain = hold(field.plain, workloads, rounds=rounds, advance=advance)
    own = hold(field.own, workloads, rounds=rounds, advance=advance)
    tables = (
        table("Against peers on an ordinary export of the same weights", plain, workloads, _NOTES),
        table(
            "Against peers on the very same file", own, workloads, ("The file is the shipped one, its logits as a column for the peers.",)
        ),
    )
    return Report("peers", machine, settings, tables, samples={"ordinary": plain, "same file": own}, quick=quick)


def requests_of(field: Field, workloads: Sequence[Workload], rounds: int) -> int:
    """How many requests a run scores, for a progress bar."""
    return (len(field.plain) + len(field.own)) * len(workloads) * (rounds + 1)


def draw(entries: Sequence[Entry], workloads: Sequence[Workload]) -> Callable[[Figure], None]:
    """Bars of the medians, one group a workload."""
    present = [entry for entry in entries if not entry.reason]

    def onto(figure: Figure) -> None:
        for place, workload in enumerate(workloads):
            axes = figure.add_subplot(1, len(workloads), place + 1)
            spreads = [spread(entry.times_ms(workload.name)) for entry in present]
            labels = [f"{entry.name}\n{entry.file}" for entry in present]
            errors = [[each.median - each.lower for each in spreads], [each.upper - each.median for each in spreads]]
            axes.barh(labels, [each.median for each in spreads], xerr=errors)
            axes.invert_yaxis()
            axes.set(title=workload.name, xlabel="ms a request, median and quartiles")
            if place:
                axes.set_yticklabels([])

    return onto


def _ours(directory: Path, file: str) -> Library:
    return Library("ours, library", file, "sidecar", {"directory": str(directory)})


def served_ours(directory: Path, file: str) -> Web:
    """This project's service, its caches off."""

    def environment(port: int) -> dict[str, str]:
        return {
            "RERANK_BIND": f"{LOCALHOST}:{port}",
            "RERANK_MODELS": str(directory.parent),
            "RERANK_DEFAULT_PROFILE": directory.name,
            "RERANK_SCORE_CACHE_MB": "0",
            "RERANK_DOCUMENT_CACHE_MB": "0",
            "RERANK_RELOAD_INTERVAL_S": "0",
            "RERANK_LOG_LEVEL": "warning",
        }

    return Web(
        "ours, HTTP",
        file,
        lambda _: (sys.executable, "-m", "sidecar"),
        "/ready",
        "/v1/hits",
        lambda pairs: {"query": pairs.query, "deadline_ms": 60000, "hits": [{"fields": {"text": text}} for text in pairs.documents]},
        lambda answer, _: list(answer["scores"]),
        environment,
    )


def infinity(directory: Path, file: str, environment: Environment) -> Web:
    """infinity's server on its ONNX engine.

    It hands the path of the file that it finds on to optimum, which wants a bare name: so the file lies beside the others, and the server
    runs in their folder.
    """
    flat = flat_layout(directory)

    def command(port: int) -> tuple[str, ...]:
        options = {"--model-id": ".", "--engine": "optimum", "--device": "cpu", "--port": port, "--host": LOCALHOST, "--log-level": "error"}
        program = environment.home / "bin" / "infinity_emb"
        return (str(environment.python), str(program), "v2", *(str(part) for pair in options.items() for part in pair))

    return Web(
        "infinity, HTTP",
        file,
        command,
        "/health",
        "/rerank",
        lambda pairs: {"query": pairs.query, "documents": pairs.documents, "return_documents": False},
        _by_index,
        # Its cache of rewritten graphs is kept apart: it goes by name, and every run has the same one.
        lambda _: {"HF_HOME": str(flat / "cache")},
        flat,
    )


def flat_layout(directory: Path) -> Path:
    """A folder with the files of the hub's layout and the graph beside them."""
    flat = directory / "flat"
    flat.mkdir(exist_ok=True)
    for path in (*directory.glob("*.json"), directory / "onnx" / QUANTIZED):
        if not (flat / path.name).exists():
            os.link(path, flat / path.name)
    return flat


def _peers(directory: Path, file: str, environments: dict[str, Environment]) -> tuple[Contestant, ...]:
    options = {"directory": str(directory)}
    transformers = environments["sentence-transformers"].python
    return (
        *(
            Library(
                f"sentence-transformers, ONNX, batch {size}",
                file,
                "sentence-transformers-onnx",
                {**options, "batch_size": size},
                transformers,
            )
            for size in (32, 8)
        ),
        Library("FlashRank", file, "flashrank", options, environments["flashrank"].python),
        Library("fastembed", file, "fastembed", options, environments["fastembed"].python),
        infinity(directory, file, environments["infinity"]),
    )


def _by_index(answer: Any, count: int) -> list[float]:
    scores = [0.0] * count
    for result in answer["results"]:
        scores[result["index"]] = float(result["relevance_score"])
    return scores
