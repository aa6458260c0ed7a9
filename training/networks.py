"""The network a run file asks for, with its tokenizer and the collator that feeds it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from sidecar.encoding import TextEncoder
from sidecar.manifest import Template
from sidecar.ranker import SPECIAL_TOKENS
from training.bases import BASES, NoBase, base_directory
from training.batches import Batch, EncodedList, Prefixes, collate_apart, collate_pairs
from training.export.recovered import is_model_directory
from training.models.attention import transformers_attention
from training.models.bi_encoder import load_bi_encoder
from training.models.cross_encoder import load_cross_encoder
from training.models.decomposed import decompose, load_decomposed
from training.run_file import ModelSpec, RunFile

Collate = Callable[[Sequence[EncodedList]], Batch]


def load_tokenizer(source: str, from_hub: Callable[[str], Tokenizer] = Tokenizer.from_pretrained) -> Tokenizer:
    """The fast tokenizer of a base; raises NoBase where there is none by this name."""
    # A folder with a tokenizer alone is no base, and may be named for its words.
    alone = (own := Path(source) / "tokenizer.json").is_file() and source not in BASES and not is_model_directory(Path(source))
    directory = own.parent if alone else Path(base_directory(source))
    path = directory / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    if directory.is_dir():
        raise NoBase(source, "the directory has no tokenizer.json; where another base reads text alike, name that as model.tokenizer")
    try:
        return from_hub(source)
    # What is not there, and what cannot be reached.
    except (OSError, ValueError) as error:
        raise NoBase(source, f"there is no such directory, and nothing can be loaded by this hub id ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def build_encoder(run: RunFile) -> TextEncoder:
    """The run's text encoder: the base's tokenizer under the run's template."""
    return load_text_encoder(run.model.tokenizer or run.model.base, run.template)


def known_positions(network: nn.Module) -> int:
    """How many positions the encoder has for tokens; without a limit where it does not say."""
    config: Any = network.config
    known = int(getattr(config, "max_position_embeddings", sys.maxsize))
    tables = (module for name, module in network.named_modules() if name.endswith("position_embeddings"))
    # RoBERTa's kind counts positions from behind the padding's own row.
    return known - max((padding + 1 for table in tables if (padding := getattr(table, "padding_idx", None)) is not None), default=0)


def check_positions(spec: ModelSpec, template: Template, known: int) -> None:
    """Raise ValueError where the template lets through texts of more tokens than the encoder has positions."""
    query, document = template.max_query_tokens, template.max_document_tokens
    longest = {
        "cross-encoder": (query + document + SPECIAL_TOKENS, f"a pair of the template may have {query + document + SPECIAL_TOKENS} tokens"),
        "decomposed": (spec.document_offset + document + 1, f"a document's last position may be {spec.document_offset + document}"),
        "bi-encoder": (max(query, document) + 2, f"a text of the template may have {max(query, document) + 2} tokens"),
    }
    needed, what = longest[spec.kind]
    if needed > known:
        raise ValueError(
            f"{what} (max_query_tokens {query}, max_document_tokens {document}, and special tokens), and {spec.base} has {known} "
            "positions: lower one, or take another model.base"
        )


def load_text_encoder(source: str, template: Template) -> TextEncoder:
    """A base's tokenizer under a template."""
    return TextEncoder(load_tokenizer(source), template.text_template())


def load_network(spec: ModelSpec, checkpoint: Path) -> nn.Module:
    """The trained network of a run's `model/` folder."""
    if spec.kind == "bi-encoder":
        return load_bi_encoder(str(checkpoint), pooling=spec.pooling)
    return load_decomposed(checkpoint) if spec.kind == "decomposed" else load_cross_encoder(str(checkpoint))


def build_network(spec: ModelSpec) -> nn.Module:
    """The network with its starting weights, to be trained."""
    source = base_directory(spec.base)
    if spec.kind == "bi-encoder":
        return load_bi_encoder(source, pooling=spec.pooling, layers=spec.layers, dropout=spec.dropout, attention=transformers_attention())
    if spec.kind == "decomposed":
        return decompose(
            source,
            lower_layers=spec.lower_layers,
            document_offset=spec.document_offset,
            state_width=spec.state_width,
            layers=spec.layers,
            dropout=spec.dropout,
        )
    return load_cross_encoder(source, layers=spec.layers, dropout=spec.dropout, attention=transformers_attention())


def build_collate(spec: ModelSpec, encoder: TextEncoder) -> Collate:
    """The collator that the kind of network needs."""
    if spec.kind == "cross-encoder":
        return partial(collate_pairs, encoder)
    if spec.kind == "decomposed":
        return partial(collate_apart, encoder)
    prefixes = Prefixes(encoder.encode_prefix(spec.query_prefix), encoder.encode_prefix(spec.passage_prefix))
    return partial(collate_apart, encoder, prefixes=prefixes)
