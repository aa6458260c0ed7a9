"""Tiny real models, made when a test needs them: a word tokenizer and ONNX graphs of the shapes that training exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from sidecar.encoding import TextEncoder
from sidecar.manifest import FieldBudget, Fusion, Kind, Manifest, Template, file_sha256, write_manifest

WORDS = ("red", "blue", "green", "shoe", "shoes", "phone", "case", "for", "running", "usb", "cable", "acme", "large", "small", "without")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "|")
VOCABULARY = SPECIAL + WORDS
ROLES = (("title", 8), ("brand", 2), ("description", 12))


def template(roles: Sequence[tuple[str, int]] = ROLES, *, max_document_tokens: int = 16, max_query_tokens: int = 4) -> Template:
    """A small text template."""
    return Template(tuple(FieldBudget(role, tokens) for role, tokens in roles), max_document_tokens, max_query_tokens)


def tokenizer() -> Tokenizer:
    """One token a known word, [UNK] else."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def encoder(shape: Template | None = None) -> TextEncoder:
    """The tiny tokenizer under a template."""
    return TextEncoder(tokenizer(), (shape or template()).text_template())


def weights(seed: int = 0) -> np.ndarray:
    """One random number a word: what the cross-encoder adds up."""
    return np.random.default_rng(seed).normal(size=len(VOCABULARY) + 200).astype(np.float32)


def cross_encoder_graph(seed: int = 0) -> onnx.ModelProto:
    """logit = sum over tokens of mask x (1 + type) x weight: depends on every input, and on no padding."""
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["each"]),
        helper.make_node("Add", ["token_type_ids", "one"], ["types"]),
        helper.make_node("Mul", ["types", "attention_mask"], ["kept"]),
        helper.make_node("Cast", ["kept"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["each", "factor"], ["product"]),
        helper.make_node("ReduceSum", ["product", "axis"], ["logits"], keepdims=0),
    ]
    constants = {"weights": weights(seed), "one": np.array(1), "axis": np.array([1])}
    return _model(nodes, _TEXT_INPUTS, [("logits", TensorProto.FLOAT, ["batch"])], constants)


def embedder_graph(width: int = 8) -> onnx.ModelProto:
    """Token states [batch, length, width], for the sidecar to pool."""
    table = np.random.default_rng(1).normal(size=(len(VOCABULARY) + 200, width)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"])]
    return _model(nodes, _TEXT_INPUTS[:2], [("states", TensorProto.FLOAT, ["batch", "length", width])], {"table": table})


def document_graph(width: int = 4) -> onnx.ModelProto:
    """int8 states and a scale a token, by a table."""
    random = np.random.default_rng(2)
    table = random.integers(-127, 127, size=(len(VOCABULARY) + 200, width), dtype=np.int8)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"]), helper.make_node("Gather", ["scale", "input_ids"], ["scales"])]
    constants = {"table": table, "scale": random.uniform(0.01, 0.1, len(VOCABULARY) + 200).astype(np.float32)}
    outputs = [("states", TensorProto.INT8, ["batch", "length", width]), ("scales", TensorProto.FLOAT, ["batch", "length"])]
    return _model(nodes, _TEXT_INPUTS[:2], outputs, constants)


def query_graph(width: int = 4) -> onnx.ModelProto:
    """logit = (sum of the query's vectors) . (sum of the document's real states x scales)."""
    table = np.random.default_rng(3).normal(size=(len(VOCABULARY) + 200, width)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("ReduceSum", ["vectors", "one"], ["query"], keepdims=0),
        helper.make_node("Cast", ["states"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["document_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["scales", "real"], ["kept"]),
        helper.make_node("Unsqueeze", ["kept", "two"], ["column"]),
        helper.make_node("Mul", ["floats", "column"], ["scaled"]),
        helper.make_node("ReduceSum", ["scaled", "one"], ["document"], keepdims=0),
        helper.make_node("Mul", ["document", "query"], ["products"]),
        helper.make_node("ReduceSum", ["products", "one"], ["logits"], keepdims=0),
    ]
    inputs = [
        ("input_ids", TensorProto.INT64, [1, "query"]),
        ("states", TensorProto.INT8, ["batch", "length", width]),
        ("scales", TensorProto.FLOAT, ["batch", "length"]),
        ("document_mask", TensorProto.INT64, ["batch", "length"]),
    ]
    constants = {"table": table, "one": np.array([1]), "two": np.array([2])}
    return _model(nodes, inputs, [("logits", TensorProto.FLOAT, ["batch"])], constants)


def write_model(directory: Path, *, kind: Kind = "cross-encoder", seed: int = 0, fusion: Fusion | None = None, **changes: Any) -> Manifest:
    """A complete model directory."""
    directory.mkdir(parents=True, exist_ok=True)
    graphs = {"cross-encoder": lambda: cross_encoder_graph(seed), "embedder": embedder_graph, "decomposed": query_graph}
    onnx.save(graphs[kind](), directory / "model.onnx")
    if kind == "decomposed":
        onnx.save(document_graph(), directory / "document.onnx")
    tokenizer().save(str(directory / "tokenizer.json"))
    files = {path.name: file_sha256(path) for path in sorted(directory.glob("*")) if path.suffix in {".onnx", ".json"}}
    files.pop("manifest.json", None)
    facts: dict[str, Any] = {
        "format": 1,
        "name": directory.name,
        "version": "1",
        "kind": kind,
        "files": files,
        "base": "tiny",
        "layers": 1,
        "hidden_size": 8,
        "template": template(),
        "fusion": fusion,
        "pooling": "mean" if kind == "embedder" else "none",
    }
    manifest = Manifest(**{**facts, **changes})
    write_manifest(directory, manifest)
    return manifest


_TEXT_INPUTS = [(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask", "token_type_ids")]


def _model(nodes: Any, inputs: Any, outputs: Any, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
