"""Attention over states whose keys and values are never computed, for layers that update few tokens from many.

The products are taken in another order, which changes no score:

    q (W_k x + b_k)     = (W_k^T q) x + q b_k      the last term is the same for every x of a softmax: it falls out
    sum p (W_v x + b_v) = W_v (sum p x) + b_v      the shares p of a softmax sum to one

So the query is carried into the space of the states (one row a head), meets them there, and only what it took from them is projected.
With one token of 12 heads and states of 384 numbers that is 24 products of 384 a state where keys and values cost 768. The idea is that of
"absorbed" projections (DeepSeek-V2, arXiv 2405.04434, section 2.1.2). What remains is small and stays in float.

States that are kept narrow, x = E z + e, are met as they are: W_k E and W_v E take the places of W_k and W_v, so a third of the width is a
third of the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.export.graph import BertLayers

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Expansion:
    """How narrow states become the encoder's: x = weight [hidden, width] z + bias [hidden]."""

    weight: Floats
    bias: Floats


class FoldedAttention:
    """One layer of an encoder, its key and value projections folded into the side of the tokens it updates."""

    def __init__(self, layers: BertLayers, index: int, expansion: Expansion | None = None) -> None:
        self._layers = layers
        self._graph = layers.graph
        self._index = index
        self._name = f"encoder.layer.{index}.attention.self"
        self._heads, self._hidden = layers.shape.heads, layers.shape.hidden
        self._depth = self._hidden // self._heads
        self._expansion = expansion

    def update(self, x: str, states: str, mask: str, own: str | None = None) -> str:
        """The layer's output [batch, tokens, hidden] at the tokens x [batch or 1, tokens, hidden].

        They attend to the states [batch, others, width], and before these to `own` [batch or 1, some, hidden], which are few and have keys
        and values; the mask [batch, 1, some + others] is added to the attention's logits.
        """
        graph = self._graph
        tokens = self._size(x, 1)
        queries = graph.node("Reshape", self._layers.query(self._index, x), graph.ints(0, -1, self._heads, self._depth))
        products = self._meet(queries, tokens, states)
        if own is None:
            return self._layers.finish(self._index, self._biased(self._take(self._shares(products, mask), states, tokens)), x)
        before = self._keys(queries, own)
        # One query's own products are the same beside every document.
        spread = graph.node("Expand", before, graph.node("Concat", self._size(states, 0), graph.ints(1, 1), axis=0))
        shares = self._shares(graph.node("Concat", spread, products, axis=2), mask)
        some = self._size(own, 1)
        of_states = graph.node("Slice", shares, some, self._size(shares, 2), graph.ints(2))
        of_own = graph.node("Slice", shares, graph.ints(0), some, graph.ints(2))
        mixed = graph.node("Add", self._take(of_states, states, tokens), self._values(of_own, of_states, own))
        return self._layers.finish(self._index, self._biased(mixed), x)

    def _meet(self, queries: str, tokens: str, states: str) -> str:
        """Products of every head's queries [batch or 1, tokens, heads, depth] with the states: [batch, heads * tokens, others]."""
        graph = self._graph
        by_head = graph.node("Reshape", graph.node("Transpose", queries, perm=[2, 0, 1, 3]), graph.ints(self._heads, -1, self._depth))
        weight = self._split("key.weight") * np.float32(self._depth**-0.5)
        folded = graph.constant(f"{self._name}.key.folded", self._narrow(weight))
        rows = self._by_document(graph.node("MatMul", by_head, folded), tokens, queries)
        products = graph.node("MatMul", rows, graph.node("Transpose", states, perm=[0, 2, 1]))
        if self._expansion is None:
            return products
        shift = graph.constant(f"{self._name}.key.shift", weight @ self._expansion.bias[:, None])
        return graph.node("Add", products, self._by_document(graph.node("MatMul", by_head, shift), tokens, queries))

    def _by_document(self, rows: str, tokens: str, queries: str) -> str:
        """[heads, batch * tokens, n] -> [batch, heads * tokens, n]."""
        graph = self._graph
        shape = graph.node("Concat", graph.ints(self._heads), graph.ints(-1), tokens, self._size(rows, 2), axis=0)
        by_document = graph.node("Transpose", graph.node("Reshape", rows, shape), perm=[1, 0, 2, 3])
        target = graph.node("Concat", self._size(queries, 0), graph.ints(-1), self._size(rows, 2), axis=0)
        return graph.node("Reshape", by_document, target)

    def _take(self, shares: str, states: str, tokens: str) -> str:
        """What the tokens take of the states by their shares [batch, heads * tokens, others], projected: [batch, tokens, hidden]."""
        graph = self._graph
        taken = graph.node("MatMul", shares, states)
        folded = graph.constant(f"{self._name}.value.folded", self._narrow(self._split("value.weight")).transpose(0, 2, 1))
        width = self._expansion.weight.shape[1] if self._expansion else self._hidden
        split = graph.node("Reshape", taken, graph.ints(0, self._heads, -1, width))
        by_head = graph.node("Reshape", graph.node("Transpose", split, perm=[1, 0, 2, 3]), graph.ints(self._heads, -1, width))
        values = graph.node("Transpose", graph.node("MatMul", by_head, folded), perm=[1, 0, 2])
        return graph.node("Reshape", values, graph.node("Concat", graph.ints(-1), tokens, graph.ints(self._hidden), axis=0))

    def _keys(self, queries: str, own: str) -> str:
        """Products of the queries with the own tokens' keys: [batch or 1, heads * tokens, some]. The keys' bias falls out."""
        graph = self._graph
        weight = self._layers.weights[f"{self._name}.key.weight"] * np.float32(self._depth**-0.5)
        keys = graph.node("MatMul", own, graph.constant(f"{self._name}.key.weight", weight.T))
        split = graph.node("Reshape", keys, graph.ints(0, -1, self._heads, self._depth))
        by_head = graph.node("Transpose", split, perm=[0, 2, 3, 1])
        products = graph.node("MatMul", graph.node("Transpose", queries, perm=[0, 2, 1, 3]), by_head)
        return graph.node("Reshape", products, graph.node("Concat", graph.ints(0), graph.ints(-1), self._size(own, 1), axis=0))

    def _values(self, of_own: str, of_states: str, own: str) -> str:
        """What the tokens take of the own tokens, and of the expansion's bias: [batch, tokens, hidden]."""
        graph, weights = self._graph, self._layers.weights
        values = graph.node("MatMul", own, graph.constant(f"{self._name}.value.weight", weights[f"{self._name}.value.weight"].T))
        split = graph.node("Reshape", values, graph.ints(0, -1, self._heads, self._depth))
        by_head = graph.node("Transpose", split, perm=[0, 2, 1, 3])
        shape = graph.node("Concat", graph.ints(0, self._heads, -1), self._size(own, 1), axis=0)
        taken = graph.node("MatMul", graph.node("Reshape", of_own, shape), by_head)
        if self._expansion is not None:
            shift = (self._split("value.weight") @ self._expansion.bias[:, None]).reshape(self._heads, 1, self._depth)
            total = graph.node("Reshape", graph.node("ReduceSum", of_states, graph.ints(2)), graph.ints(0, self._heads, -1, 1))
            taken = graph.node("Add", taken, graph.node("Mul", total, graph.constant(f"{self._name}.value.shift", shift)))
        return graph.node("Reshape", graph.node("Transpose", taken, perm=[0, 2, 1, 3]), graph.ints(0, -1, self._hidden))

    def _shares(self, products: str, mask: str) -> str:
        return self._graph.node("Softmax", self._graph.node("Add", products, mask), axis=-1)

    def _biased(self, mixed: str) -> str:
        name = f"{self._name}.value.bias"
        return self._graph.node("Add", mixed, self._graph.constant(name, self._layers.weights[name]))

    def _split(self, part: str) -> Floats:
        """A projection's weight by head: [heads, depth, hidden]."""
        return self._layers.weights[f"{self._name}.{part}"].reshape(self._heads, self._depth, self._hidden)

    def _narrow(self, weight: Floats) -> Floats:
        """The same on the states as they are kept: [heads, depth, width]."""
        return weight if self._expansion is None else weight @ self._expansion.weight

    def _size(self, x: str, axis: int) -> str:
        graph = self._graph
        return graph.node("Slice", graph.node("Shape", x), graph.ints(axis), graph.ints(axis + 1))
