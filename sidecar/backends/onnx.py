"""ONNX Runtime: one session a graph, called from every scoring thread, each call on one thread of its own.

Measured: two threads with `intra_op` 1 and small batches take half the time of one pool of two threads with large ones.
A session made before a fork runs single-threaded in the child for ever: load after the fork.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime

from sidecar.backends import Arrays
from sidecar.errors import InvalidModel

# The fused sum and layer normalisation has no vector code on CPUs: it costs five times as much as its parts, a whole model a tenth more.
_SLOWER = {"cpu": ["SkipLayerNormFusion"], "cuda": []}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxGraph:
    """An ONNX Runtime session."""

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        provider = _PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise InvalidModel(f"this onnxruntime has no {provider}: device {device} needs another package")
        try:
            self._session = onnxruntime.InferenceSession(path, _options(), providers=[provider], disabled_optimizers=_SLOWER[device])
        except Exception as error:
            # The library's own errors share no base class.
            raise InvalidModel(f"{path} cannot be loaded: {error}") from error
        self._inputs = frozenset(node.name for node in self._session.get_inputs())

    @property
    def inputs(self) -> frozenset[str]:
        return self._inputs

    def run(self, inputs: Arrays) -> list[npt.NDArray[Any]]:
        outputs: list[npt.NDArray[Any]] = self._session.run(None, inputs)
        return outputs


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # An idle spinning thread burns a core that scoring needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Every batch has another shape: remembered memory plans would only grow.
    options.enable_mem_pattern = False
    return options
