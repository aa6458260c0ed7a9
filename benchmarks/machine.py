"""What a figure was measured on: processor, cores, memory, versions, date, commit, and how busy the machine was before."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from cluster.workspace import CHECKOUT
from sidecar.config import available_cores

PACKAGES = ("onnxruntime", "tokenizers", "numpy", "flask", "gunicorn")
# What decides the speed of int8 and bf16 products.
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the moment of a measurement; `load` is the number of running processes just before it."""

    date: str
    processor: str
    features: tuple[str, ...]
    cores: int
    memory_gib: float
    system: str
    python: str
    commit: str
    load: float
    versions: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.date}, {self.processor} ({', '.join(self.features) or 'no vector extensions known'}), {self.cores} cores, "
            f"{self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, {versions}, commit {self.commit}, load before {self.load:.1f}"
        )


def this_machine(packages: Sequence[str] = PACKAGES) -> Machine:
    """The machine now."""
    processor, flags = _processor(Path("/proc/cpuinfo"))
    return Machine(
        date=datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        processor=processor,
        features=tuple(name for name in _FEATURES if name in flags),
        cores=available_cores(),
        memory_gib=psutil.virtual_memory().total / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        commit=_commit(),
        load=os.getloadavg()[0],
        versions={name: found for name in packages if (found := _version(name))},
    )


def _processor(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    facts = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name", platform.machine()), frozenset(facts.get("flags", facts.get("features", "")).split())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    answer = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
