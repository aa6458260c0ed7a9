"""A small ONNX graph builder and the layers of a BERT encoder written with it.

The graphs are built node by node instead of traced, because serving wants what tracing does not give: the last layer for the first
token alone, one product for query, key and value, embeddings in int8 rows, and the same bytes from the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any] | np.generic
Weights = Mapping[str, npt.NDArray[np.float32]]
OPSET = 20
# ONNX Runtime's own operators (fused attention, normalisation with a residual).
_CONTRIB = "com.microsoft"
_IR_VERSION = 10
# Names a product's reciprocal divisors, from which `training.export.recovered` knows the weights as they were.
EVENED = "evened"


class GraphBuilder:
    """Collects nodes and initializers; names are numbered in order of creation, so equal calls give equal graphs."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, array: Array) -> str:
        """An initializer; the same name may be asked for again."""
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def ints(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant("ints_" + "_".join(map(str, values)), np.asarray(values, dtype=np.int64))

    def node(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: object) -> str:
        """Add a node; returns its first output, `name` or `name_0`, `name_1`, ... where there are several."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, domain=domain, **attributes))
        return names[0]

    def linear(self, x: str, name: str, weight: Array, bias: Array) -> str:
        """x W^T + b for a torch-layout weight [out, in]."""
        product = self.node("MatMul", x, self.constant(f"{name}.weight", weight.T))
        return self.node("Add", product, self.constant(f"{name}.bias", bias))

    def build(self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The finished model, checked."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.initializers.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="rerank")
        onnx.checker.check_model(model)
        return model


def tensor(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
    """A graph input or output."""
    return helper.make_tensor_value_info(name, kind, list(shape))


def int64(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    """An int64 input."""
    return tensor(name, TensorProto.INT64, *shape)


def float32(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    """A float input or output."""
    return tensor(name, TensorProto.FLOAT, *shape)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the layers need to know of an encoder."""

    hidden: int
    heads: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Int8:
    """What a graph that will be quantized has of its own: divisors of input channels, by the name of their product."""

    divisors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


class BertLayers:
    """The layers of a BERT encoder in a graph; `weights` carry transformers' names below the encoder (`encoder.layer.0...`).

    With `int8` embeddings are rows of int8, and feed-forward inputs are divided by its divisors (training.export.outliers).
    """

    def __init__(self, graph: GraphBuilder, weights: Weights, shape: Shape, int8: Int8 | None) -> None:
        self.graph = graph
        self.weights = weights
        self.shape = shape
        self.int8 = int8

    def embed(self, input_ids: str, positions: str, types: str | int) -> str:
        """Normalised embeddings [batch, tokens, hidden]; `types` is an input's name, or one type for every token."""
        graph, prefix = self.graph, "embeddings"
        table = self.weights[f"{prefix}.token_type_embeddings.weight"]
        if isinstance(types, int):
            kinds = graph.constant(f"type_{types}", table[types])
        else:
            kinds = graph.node("Gather", graph.constant("types", table), types)
        summed = graph.node("Add", self._words(input_ids), graph.node("Add", positions, kinds))
        return self.normalise(summed, f"{prefix}.LayerNorm")

    def positions(self, input_ids: str, offset: int, limit: int) -> str:
        """Position embeddings [tokens, hidden] for the input's length, counted from `offset`."""
        graph = self.graph
        table = self.weights["embeddings.position_embeddings.weight"][offset : offset + limit]
        length = graph.node("Slice", graph.node("Shape", input_ids), graph.ints(1), graph.ints(2))
        return graph.node("Slice", graph.constant(f"positions_{offset}", table), graph.ints(0), length, graph.ints(0))

    def key_mask(self, mask: str, *, axes: Sequence[int] = (1, 2)) -> str:
        """[batch, 1, 1, tokens] with the default axes, 0 where a token is real and very low where it is padding."""
        graph = self.graph
        absent = graph.node("Sub", graph.constant("one", np.float32(1)), graph.node("Cast", mask, to=TensorProto.FLOAT))
        low = graph.node("Mul", absent, graph.constant("low", np.float32(-1e4)))
        return graph.node("Unsqueeze", low, graph.ints(*axes))

    def layer(self, index: int, x: str, mask: str) -> str:
        """Full self-attention: [batch, tokens, hidden] -> the same."""
        graph, name = self.graph, f"encoder.layer.{index}.attention.self"
        parts = ("query", "key", "value")
        weight = np.concatenate([self.weights[f"{name}.{part}.weight"] for part in parts])
        bias = np.concatenate([self.weights[f"{name}.{part}.bias"] for part in parts])
        joined = graph.linear(x, f"{name}.qkv", weight, bias)
        first = graph.node("Split", joined, outputs=3, axis=-1, num_outputs=3)
        query, key, value = (first[:-1] + str(part) for part in range(3))
        return self.finish(index, self._attend(query, key, value, mask), x)

    def query(self, index: int, x: str) -> str:
        """The layer's query projection of x."""
        name = f"encoder.layer.{index}.attention.self.query"
        return self.graph.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def classify(self, first: str) -> str:
        """Pooler and classifier on the first token [batch, 1, hidden] -> logits [batch]."""
        graph, weights = self.graph, self.weights
        pooled = graph.node("Tanh", graph.linear(first, "pooler", weights["pooler.dense.weight"], weights["pooler.dense.bias"]))
        # A vector, not a matrix: it stays in float, where one more rounding would reach the score directly.
        column = graph.constant("classifier.weight", weights["classifier.weight"][0])
        scored = graph.node("ReduceSum", graph.node("Mul", pooled, column), graph.ints(1, 2), keepdims=0)
        return graph.node("Add", scored, graph.constant("classifier.bias", weights["classifier.bias"]))

    def finish(self, index: int, mixed: str, x: str) -> str:
        """What follows a layer's attention: its output projection, feed-forward, residuals and norms."""
        graph, name = self.graph, f"encoder.layer.{index}"
        attended = self._dense(mixed, f"{name}.attention.output.dense")
        x = self.normalise(graph.node("Add", attended, x), f"{name}.attention.output.LayerNorm")
        inner = graph.node("Gelu", self._evened(x, f"{name}.intermediate.dense"))
        return self.normalise(graph.node("Add", self._evened(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def normalise(self, x: str, name: str) -> str:
        """Layer normalisation over the last axis."""
        scale = self.graph.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        bias = self.graph.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.graph.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.shape.epsilon)

    def _words(self, input_ids: str) -> str:
        graph, table = self.graph, self.weights["embeddings.word_embeddings.weight"]
        if self.int8 is None:
            return graph.node("Gather", graph.constant("words", table), input_ids)
        scales = np.maximum(np.abs(table).max(1, keepdims=True), 1e-9) / 127
        rows = np.rint(table / scales).astype(np.int8)
        gathered = graph.node("Cast", graph.node("Gather", graph.constant("words", rows), input_ids), to=TensorProto.FLOAT)
        scale = graph.node("Gather", graph.constant("words.scale", scales.astype(np.float32)), input_ids)
        return graph.node("Mul", gathered, scale)

    def _heads(self, x: str, *order: int) -> str:
        heads = self.shape.heads
        split = self.graph.node("Reshape", x, self.graph.ints(0, -1, heads, self.shape.hidden // heads))
        return self.graph.node("Transpose", split, perm=list(order))

    def _attend(self, query: str, key: str, value: str, mask: str) -> str:
        graph = self.graph
        scale = graph.constant("attention.scale", np.float32((self.shape.hidden // self.shape.heads) ** -0.5))
        products = graph.node("MatMul", graph.node("Mul", self._heads(query, 0, 2, 1, 3), scale), self._heads(key, 0, 2, 3, 1))
        shares = graph.node("Softmax", graph.node("Add", products, mask), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", shares, self._heads(value, 0, 2, 1, 3)), perm=[0, 2, 1, 3])
        return graph.node("Reshape", mixed, graph.ints(0, -1, self.shape.hidden))

    def _evened(self, x: str, name: str) -> str:
        """A product whose inputs' outliers are divided, and met by weights that are as many times larger."""
        divisor = None if self.int8 is None else self.int8.divisors.get(name)
        if divisor is None or (divisor == 1).all():
            return self._dense(x, name)
        evened = self.graph.node("Mul", x, self.graph.constant(f"{name}.{EVENED}", np.float32(1) / divisor))
        return self.graph.linear(evened, name, self.weights[f"{name}.weight"] * divisor, self.weights[f"{name}.bias"])

    def _dense(self, x: str, name: str) -> str:
        return self.graph.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])
