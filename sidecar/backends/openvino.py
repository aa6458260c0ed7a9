"""OpenVINO (the extra `openvino`): a graph compiled once, one inference request a scoring thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy.typing as npt
import openvino

from sidecar.backends import Arrays
from sidecar.errors import InvalidModel


class OpenVinoGraph:
    """A compiled OpenVINO model."""

    def __init__(self, path: Path, *, streams: int) -> None:
        # One thread a stream: like ONNX Runtime here, every scoring thread computes its own batch.
        config = {"INFERENCE_NUM_THREADS": streams, "NUM_STREAMS": streams, "PERFORMANCE_HINT": "THROUGHPUT"}
        try:
            self._model = openvino.Core().compile_model(path, "CPU", config)
        except RuntimeError as error:
            raise InvalidModel(f"{path} cannot be loaded: {error}") from error
        self._inputs = frozenset(node.any_name for node in self._model.inputs)
        self._local = threading.local()

    @property
    def inputs(self) -> frozenset[str]:
        return self._inputs

    def run(self, inputs: Arrays) -> list[npt.NDArray[Any]]:
        if not hasattr(self._local, "request"):
            self._local.request = self._model.create_infer_request()
        # Copied: the next call of this thread writes into the same output memory.
        answer = self._local.request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        return [answer[node].copy() for node in self._model.outputs]
