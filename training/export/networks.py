"""Trained networks -> ONNX graphs, as the sidecar reads them.

cross-encoder   model.onnx      input_ids, attention_mask, token_type_ids -> logits
bi-encoder      model.onnx      input_ids, attention_mask, token_type_ids -> vectors (pooled, unit length)
decomposed      document.onnx   input_ids, attention_mask -> states (int8), scales
                model.onnx      input_ids of the one query, states, scales, document_mask -> logits
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto
from torch import nn

from training.export.folded import Expansion, FoldedAttention
from training.export.graph import BertLayers, GraphBuilder, Int8, Shape, Weights, float32, int64, tensor
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import CrossEncoder
from training.models.decomposed import DecomposedCrossEncoder


def numpy_weights(module: nn.Module) -> Weights:
    """The weights as float32 arrays, under transformers' names without the encoder's own prefix."""
    named = {name.removeprefix("bert."): tensor for name, tensor in module.state_dict().items()}
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in named.items()}


def has_own_graph(config: Any) -> bool:
    """Whether the layers written here are the encoder's; others are traced (training.export.traced)."""
    return config.model_type == "bert" and config.hidden_act == "gelu"


def _layers(graph: GraphBuilder, model: Any, int8: Int8 | None) -> BertLayers:
    config = model.config
    if not has_own_graph(config):
        raise ValueError(f"a decomposed model of type {config.model_type} cannot be exported: only BERT with gelu is taken apart")
    shape = Shape(config.hidden_size, config.num_attention_heads, config.layer_norm_eps)
    return BertLayers(graph, numpy_weights(model), shape, int8)


def cross_encoder_graph(network: CrossEncoder, *, limit: int, int8: Int8 | None = None) -> onnx.ModelProto:
    """The pair graph; its last layer computes the first token alone. `limit` is the longest pair in tokens."""
    graph = GraphBuilder()
    layers = _layers(graph, network.model, int8)
    x = layers.embed("input_ids", layers.positions("input_ids", 0, limit), "token_type_ids")
    mask = layers.key_mask("attention_mask")
    last = network.config.num_hidden_layers - 1
    for index in range(last):
        x = layers.layer(index, x, mask)
    logits = layers.classify(_first_token_layer(graph, layers, last, x, "attention_mask"))
    return _named(graph, logits, "cross_encoder", _inputs("attention_mask", "token_type_ids"), float32("logits", "batch"))


def bi_encoder_graph(network: BiEncoder, *, limit: int, int8: Int8 | None = None) -> onnx.ModelProto:
    """The vector graph: pooled and of unit length."""
    graph = GraphBuilder()
    layers = _layers(graph, network.model, int8)
    x = layers.embed("input_ids", layers.positions("input_ids", 0, limit), "token_type_ids")
    mask = layers.key_mask("attention_mask")
    last = network.config.num_hidden_layers - 1
    for index in range(last):
        x = layers.layer(index, x, mask)
    if network.pooling == "cls":
        pooled = graph.node("Squeeze", _first_token_layer(graph, layers, last, x, "attention_mask"), graph.ints(1))
    else:
        real = graph.node("Unsqueeze", graph.node("Cast", "attention_mask", to=TensorProto.FLOAT), graph.ints(2))
        weighted = graph.node("Mul", layers.layer(last, x, mask), real)
        pooled = graph.node("ReduceSum", weighted, graph.ints(1), keepdims=0)
    # The mean's divisor vanishes in the unit length.
    length = graph.node("ReduceL2", pooled, graph.ints(1), keepdims=1)
    vectors = graph.node("Div", pooled, graph.node("Max", length, graph.constant("tiny", np.float32(1e-12))))
    output = float32("vectors", "batch", network.config.hidden_size)
    return _named(graph, vectors, "embedder", _inputs("attention_mask", "token_type_ids"), output)


def document_graph(network: DecomposedCrossEncoder, *, limit: int, int8: Int8 | None = None) -> onnx.ModelProto:
    """Documents -> states in int8 with one scale a token (symmetric): states = round(value / scale)."""
    graph = GraphBuilder()
    layers = _layers(graph, network.model, int8)
    x = layers.embed("input_ids", layers.positions("input_ids", network.document_offset, limit), 1)
    mask = layers.key_mask("attention_mask")
    for index in range(network.lower_layers):
        x = layers.layer(index, x, mask)
    if isinstance(network.compress, nn.Linear):
        x = graph.linear(x, "compress", network.compress.weight.detach().float().numpy(), network.compress.bias.detach().float().numpy())
    peak = graph.node("ReduceMax", graph.node("Abs", x), graph.ints(2), keepdims=1)
    scale = graph.node("Max", graph.node("Div", peak, graph.constant("levels", np.float32(127))), graph.constant("tiny", np.float32(1e-9)))
    states = graph.node("Cast", graph.node("Round", graph.node("Div", x, scale)), to=TensorProto.INT8)
    graph.nodes.append(onnx.helper.make_node("Identity", [states], ["states"], name="states"))
    scales = graph.node("Squeeze", scale, graph.ints(2))
    outputs = [tensor("states", TensorProto.INT8, "batch", "length", network.state_width), float32("scales", "batch", "length")]
    graph.nodes.append(onnx.helper.make_node("Identity", [scales], ["scales"], name="scales"))
    return graph.build("document", _inputs("attention_mask"), outputs)


def query_graph(network: DecomposedCrossEncoder, *, limit: int, int8: Int8 | None = None) -> onnx.ModelProto:
    """One query and many documents' states -> logits; the query's own lower layers run once."""
    graph = GraphBuilder()
    layers = _layers(graph, network.model, int8)
    query = layers.embed("input_ids", layers.positions("input_ids", 0, limit), 0)
    # One query is never padded: no mask, which a zero stands for.
    open_mask = graph.constant("open", np.zeros((1, 1, 1, 1), dtype=np.float32))
    for index in range(network.lower_layers):
        query = layers.layer(index, query, open_mask)
    documents = graph.node("Mul", graph.node("Cast", "states", to=TensorProto.FLOAT), graph.node("Unsqueeze", "scales", graph.ints(2)))
    logits = layers.classify(_meet(graph, layers, network, query, documents))
    inputs = [
        int64("input_ids", 1, "query_length"),
        tensor("states", TensorProto.INT8, "batch", "length", network.state_width),
        float32("scales", "batch", "length"),
        int64("document_mask", "batch", "length"),
    ]
    return _named(graph, logits, "query", inputs, float32("logits", "batch"))


def _meet(graph: GraphBuilder, layers: BertLayers, network: DecomposedCrossEncoder, query: str, documents: str) -> str:
    """The upper layers: the query's tokens attend to themselves and to the document's states; the last one for the first token."""
    last = network.config.num_hidden_layers - 1
    batch = graph.node("Slice", graph.node("Shape", "states"), graph.ints(0), graph.ints(1))
    length = graph.node("Slice", graph.node("Shape", "input_ids"), graph.ints(1), graph.ints(2))
    real = graph.node("Expand", graph.constant("one_int", np.int64(1)), graph.node("Concat", batch, length, axis=0))
    mask = layers.key_mask(graph.node("Concat", real, "document_mask", axis=1), axes=(1,))
    expansion = _expansion(network)
    for index in range(network.lower_layers, last):
        # From the first of these layers on every document has a query of its own.
        query = FoldedAttention(layers, index, expansion).update(query, documents, mask, own=query)
    return FoldedAttention(layers, last, expansion).update(_first_token(graph, query), documents, mask, own=query)


def _expansion(network: DecomposedCrossEncoder) -> Expansion | None:
    layer = network.expand
    if not isinstance(layer, nn.Linear):
        return None
    return Expansion(layer.weight.detach().float().numpy(), layer.bias.detach().float().numpy())


def _first_token(graph: GraphBuilder, x: str) -> str:
    return graph.node("Slice", x, graph.ints(0), graph.ints(1), graph.ints(1))


def _first_token_layer(graph: GraphBuilder, layers: BertLayers, index: int, x: str, attention_mask: str) -> str:
    """The layer's output at the first token alone, [batch, 1, hidden]: exact, since no other token is read after it."""
    return FoldedAttention(layers, index).update(_first_token(graph, x), x, layers.key_mask(attention_mask, axes=(1,)))


def _inputs(*names: str) -> list[onnx.ValueInfoProto]:
    return [int64(name, "batch", "length") for name in ("input_ids", *names)]


def _named(graph: GraphBuilder, result: str, name: str, inputs: list[onnx.ValueInfoProto], output: onnx.ValueInfoProto) -> onnx.ModelProto:
    graph.nodes.append(onnx.helper.make_node("Identity", [result], [output.name], name=output.name))
    return graph.build(name, inputs, [output])
