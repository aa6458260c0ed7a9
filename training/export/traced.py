"""Encoders of other architectures (RoBERTa, DistilBERT, ELECTRA, ...) -> the same graphs, traced by optimum.

Invariant: names and shapes of inputs and outputs are those of training.export.networks; an encoder without token types has no input for
them, and the sidecar feeds a graph by its inputs' names. A traced graph computes the last layer for every token and keeps its embeddings
in float: it is slower and larger than one of the own layers.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto
from optimum.exporters.onnx import OnnxConfig
from optimum.exporters.onnx.convert import onnx_export_from_model
from optimum.exporters.onnx.model_configs import BertOnnxConfig

from training.export.graph import GraphBuilder, float32
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import CrossEncoder

_OPSET = 18


def traced_pairs(network: CrossEncoder) -> onnx.ModelProto:
    """The pair graph: inputs by the encoder's own needs -> logits [batch]."""
    task, types = "text-classification", getattr(network.config, "type_vocab_size", 0) > 1
    # RoBERTa's kind is exported without an input for token types, as most of it has one type alone.
    traced = _trace(network.model, task, BertOnnxConfig(network.config, task=task) if types else None)
    graph = GraphBuilder()
    logits = graph.node("Squeeze", _renamed(traced, "logits"), graph.ints(1))
    return _with_result(traced, graph, logits, float32("logits", "batch"))


def traced_vectors(network: BiEncoder) -> onnx.ModelProto:
    """The vector graph: pooled and of unit length [batch, hidden]."""
    traced = _trace(network.model, "feature-extraction")
    graph = GraphBuilder()
    hidden = _renamed(traced, "last_hidden_state")
    if network.pooling == "cls":
        pooled = graph.node("Squeeze", graph.node("Slice", hidden, graph.ints(0), graph.ints(1), graph.ints(1)), graph.ints(1))
    else:
        real = graph.node("Unsqueeze", graph.node("Cast", "attention_mask", to=TensorProto.FLOAT), graph.ints(2))
        pooled = graph.node("ReduceSum", graph.node("Mul", hidden, real), graph.ints(1), keepdims=0)
    # The mean's divisor vanishes in the unit length.
    length = graph.node("ReduceL2", pooled, graph.ints(1), keepdims=1)
    vectors = graph.node("Div", pooled, graph.node("Max", length, graph.constant("tiny", np.float32(1e-12))))
    return _with_result(traced, graph, vectors, float32("vectors", "batch", network.config.hidden_size))


def _trace(model: Any, task: str, inputs: OnnxConfig | None = None) -> onnx.ModelProto:
    """The model's graph by its architecture's own inputs, or by these."""
    own = None if inputs is None else {"model": inputs}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracer warns of constants, those of the attention mask: they are the same for every input.
        warnings.simplefilter("ignore")
        onnx_export_from_model(model=model, output=Path(folder), task=task, opset=_OPSET, do_validation=False, custom_onnx_configs=own)
        return onnx.load(Path(folder) / "model.onnx")


def _renamed(model: onnx.ModelProto, output: str) -> str:
    """Gives the traced output another name, so that the result made of it may have the usual one."""
    name = f"traced_{output}"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, found in enumerate(names):
                if found == output:
                    names[place] = name
    return name


def _with_result(model: onnx.ModelProto, graph: GraphBuilder, result: str, output: onnx.ValueInfoProto) -> onnx.ModelProto:
    """The traced model, with the builder's nodes after its own and one output."""
    graph.nodes.append(onnx.helper.make_node("Identity", [result], [output.name], name=output.name))
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.initializers.values())
    del model.graph.output[:]
    model.graph.output.append(output)
    onnx.checker.check_model(model)
    return model
