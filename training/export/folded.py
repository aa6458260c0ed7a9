"""Attention over states whose keys and values are never computed, for layers that update few tokens from many.

The products are taken in another order, which changes no score:

    q (W_k x + b_k)     = (W_k^T q) x + q b_k      the last term is the same for every x of a softmax: it falls out
    sum p (W_v x + b_v) = W_v (sum p x) + b_v      the shares p of a softmax sum to one

So the query is carried into the space of the states (one row a head), meets them there, and only what it took from them is projected.
With one token of 12 heads and states of 384 numbers that is 24 products of 384 a state where keys and values cost 768. The idea is that of
"absorbed" projections (DeepSeek-V2, arXiv 2405.04434, section 2.1.2). What remains is small and stays in float.
"""

from __future__ import annotations

import numpy as np

from training.export.graph import BertLayers


class FoldedAttention:
    """One layer of an encoder, its key and value projections folded into the side of the tokens it updates."""

    def __init__(self, layers: BertLayers, index: int) -> None:
        self._layers = layers
        self._graph = layers.graph
        self._index = index
        self._name = f"encoder.layer.{index}.attention.self"
        self._heads, self._hidden = layers.shape.heads, layers.shape.hidden
        self._depth = self._hidden // self._heads

    def update(self, x: str, states: str, mask: str) -> str:
        """The layer's output [batch, tokens, hidden] at the tokens x [batch or 1, tokens, hidden].

        They attend to the states [batch, others, hidden]; the mask [batch, 1, others] is added to the attention's logits.
        """
        graph = self._graph
        tokens = graph.node("Slice", graph.node("Shape", x), graph.ints(1), graph.ints(2))
        products = graph.node("MatMul", self._rows(x, tokens), graph.node("Transpose", states, perm=[0, 2, 1]))
        shares = graph.node("Softmax", graph.node("Add", products, mask), axis=-1)
        mixed = self._values(graph.node("MatMul", shares, states), tokens)
        return self._layers.finish(self._index, mixed, x)

    def _rows(self, x: str, tokens: str) -> str:
        """Queries of x's tokens in the space of the states, scaled: [batch or 1, heads * tokens, hidden]."""
        graph = self._graph
        split = graph.node("Reshape", self._layers.query(self._index, x), graph.ints(-1, self._heads, self._depth))
        weight = self._layers.weights[f"{self._name}.key.weight"].reshape(self._heads, self._depth, self._hidden)
        folded = graph.constant(f"{self._name}.key.folded", weight * np.float32(self._depth**-0.5))
        rows = graph.node("MatMul", graph.node("Transpose", split, perm=[1, 0, 2]), folded)
        shape = graph.node("Concat", graph.ints(self._heads), graph.ints(-1), tokens, graph.ints(self._hidden), axis=0)
        by_document = graph.node("Transpose", graph.node("Reshape", rows, shape), perm=[1, 0, 2, 3])
        batch = graph.node("Slice", graph.node("Shape", x), graph.ints(0), graph.ints(1))
        return graph.node("Reshape", by_document, graph.node("Concat", batch, graph.ints(-1, self._hidden), axis=0))

    def _values(self, taken: str, tokens: str) -> str:
        """The value projection of what each head took: [batch, heads * tokens, hidden] -> [batch, tokens, hidden]."""
        graph, weights = self._graph, self._layers.weights
        split = graph.node("Reshape", taken, graph.ints(0, self._heads, -1, self._hidden))
        by_head = graph.node("Transpose", split, perm=[1, 0, 2, 3])
        weight = weights[f"{self._name}.value.weight"].reshape(self._heads, self._depth, self._hidden)
        folded = graph.constant(f"{self._name}.value.folded", weight.transpose(0, 2, 1))
        values = graph.node("MatMul", graph.node("Reshape", by_head, graph.ints(self._heads, -1, self._hidden)), folded)
        shape = graph.node("Concat", graph.ints(-1), tokens, graph.ints(self._hidden), axis=0)
        joined = graph.node("Reshape", graph.node("Transpose", values, perm=[1, 0, 2]), shape)
        return graph.node("Add", joined, graph.constant(f"{self._name}.value.bias", weights[f"{self._name}.value.bias"]))
