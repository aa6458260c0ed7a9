"""The machine's int8 peak, and how many int8 operations a cross-encoder needs: the share of the first that the second reaches.

Invariant: the peak is measured in the same run, by the same library, on as many threads as score.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

# The shapes of a 384-wide encoder's largest product: what it could reach at best.
_ROWS, _INNER, _COLUMNS = 512, 384, 1536


@dataclass(frozen=True, slots=True)
class Network:
    """What decides a cross-encoder's work."""

    layers: int
    hidden: int
    inner: int

    def int8_operations(self, tokens: int, pairs: int) -> int:
        """Multiplications and additions of its int8 products for pairs of so many tokens in all; the last layer has them for
        the first token of each pair alone (training.export.folded)."""
        every_token = (self.layers - 1) * (4 * self.hidden**2 + 2 * self.hidden * self.inner)
        first_token = 2 * self.hidden**2 + 2 * self.hidden * self.inner + self.hidden**2
        return 2 * (tokens * every_token + pairs * first_token)


def int8_peak(threads: int, *, seconds: float = 2.0) -> float:
    """int8 operations a second of plain MatMulInteger sessions, one a thread, all at once."""
    session = _session()
    values = np.random.default_rng(0).integers(0, 255, size=(_ROWS, _INNER), dtype=np.uint8)
    session.run(None, {"values": values})
    counts = [0] * threads
    end = time.perf_counter() + seconds

    def multiply(place: int) -> None:
        while time.perf_counter() < end:
            session.run(None, {"values": values})
            counts[place] += 1

    started = time.perf_counter()
    workers = [threading.Thread(target=multiply, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) * 2 * _ROWS * _INNER * _COLUMNS / (time.perf_counter() - started)


def _session() -> onnxruntime.InferenceSession:
    weights = np.random.default_rng(1).integers(-127, 127, size=(_INNER, _COLUMNS), dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["values", "weights"], ["product"])],
        "peak",
        [helper.make_tensor_value_info("values", TensorProto.UINT8, [_ROWS, _INNER])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [_ROWS, _COLUMNS])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
