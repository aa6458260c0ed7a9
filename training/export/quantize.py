"""Float graph -> int8 graph by ONNX Runtime's own quantization, signed weights (unsigned cost 1.7 times as much on VNNI).

Dynamic: the range of a batch's activations is measured as it is scored. Static: it is fixed by calibration batches, so that a document's
score does not depend on its neighbours, and a value beyond the range is cut off.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

Batch = Mapping[str, npt.NDArray[np.int64]]


def quantize(model: onnx.ModelProto, *, per_channel: bool = True, reduce_range: bool = False) -> onnx.ModelProto:
    """The graph with int8 weights in every product by a constant.

    `reduce_range` keeps weights to 7 bits, for CPUs without VNNI, where pairs of 8-bit products saturate.
    """
    with _saved(model) as (source, target):
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_in_float(model),
            extra_options={"MatMulConstBOnly": True, "EnableSubgraph": False},
        )
        return onnx.load(target)


def _kept_in_float(model: onnx.ModelProto) -> list[str]:
    """Products by one small matrix a head (training.export.folded): int8 has no fast kernel for them, and they are few. And the one that
    makes document states narrow: its results are rounded to int8 themselves, and once is enough."""
    kept = {weight.name for weight in model.graph.initializer if len(weight.dims) > 2 or weight.name == "compress.weight"}
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and kept.intersection(node.input)]


class _Batches(CalibrationDataReader):
    """Hands calibration batches to ONNX Runtime, one at a time."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._left = iter(batches)

    def get_next(self) -> Batch | None:
        """The next batch; none at the end."""
        return next(self._left, None)


def quantize_calibrated(model: onnx.ModelProto, batches: Iterable[Batch], *, per_channel: bool = True) -> onnx.ModelProto:
    """The graph with int8 products whose activations have the ranges seen on the batches."""
    with _saved(model) as (source, target):
        quantize_static(
            source,
            target,
            _Batches(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            per_channel=per_channel,
            nodes_to_exclude=_kept_in_float(model),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Products of two activations stay in float, and so do all results: what follows them is not quantized.
            extra_options={"MatMulConstBOnly": True, "OpTypesToExcludeOutputQuantization": ["MatMul"]},
        )
        return onnx.load(target)


@contextmanager
def _saved(model: onnx.ModelProto) -> Iterator[tuple[Path, Path]]:
    """The model in a file, and the file for what becomes of it; without the library's advice to pre-process the graph, which no user of
    the command can follow."""
    root = logging.getLogger()
    root.addFilter(_is_no_advice)
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "float.onnx"
            onnx.save(model, source)
            yield source, Path(folder) / "int8.onnx"
    finally:
        root.removeFilter(_is_no_advice)


def _is_no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()
