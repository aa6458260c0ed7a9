"""The libraries that run a graph, each in one file, behind one small interface. Adding one: a file and a line in `load_graph`.

Invariant: a graph is called from several scoring threads at once and each call computes on its caller's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


class Graph(Protocol):
    """A loaded `.onnx` file."""

    @property
    def inputs(self) -> frozenset[str]:
        """Names of the inputs that the graph takes."""

    def run(self, inputs: Arrays) -> list[npt.NDArray[Any]]:
        """The outputs, in the graph's order."""


LoadGraph = Callable[[Path], Graph]


def graph_loader(backend: str, device: str, threads: int) -> LoadGraph:
    """The function that loads a file with the wanted library; the library is imported here and not before."""
    if backend == "openvino":
        from sidecar.backends.openvino import OpenVinoGraph  # noqa: PLC0415 - an optional extra

        return lambda path: OpenVinoGraph(path, streams=threads)
    from sidecar.backends.onnx import OnnxGraph  # noqa: PLC0415 - a service on OpenVINO need not load it

    return lambda path: OnnxGraph(path, device=device)
