"""A tiny random BERT with its own vocabulary: everything that training and export do, in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from sidecar.encoding import Fields
from sidecar.manifest import FieldBudget, Template
from training.batches import TrainingList
from training.models.cross_encoder import CrossEncoder
from training.run_file import ModelKind, ModelSpec, RunFile, write_run_file
from training.training_set import read_lists, write_documents, write_lists

WORDS = ("red", "blue", "green", "sofa", "lamp", "chair", "desk", "small", "large", "for", "without", "wood", "metal", "case", "phone")
TEMPLATE = Template((FieldBudget("title", 6), FieldBudget("color", 2)), max_document_tokens=8, max_query_tokens=6)


def make_base(directory: Path, *, layers: int = 3, seed: int = 7) -> Path:
    """A Hugging Face folder of a random encoder, 32 wide."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "|", ",", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(WordPiece({word: index for index, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=128,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.3,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


def spec_of(base: Path, kind: ModelKind, *, lower_layers: int = 2) -> ModelSpec:
    """A network of this kind on a base; what is read apart begins at position 8."""
    apart = {"lower_layers": lower_layers, "document_offset": 8} if kind == "decomposed" else {}
    return ModelSpec(str(base), kind, **apart)


def small_network() -> CrossEncoder:
    """A random cross-encoder without a tokenizer: three layers, 16 wide, two heads, 30 words, 24 positions."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    config = BertConfig(vocab_size=30, max_position_embeddings=24, num_labels=1, initializer_range=0.5, **sizes)
    return CrossEncoder(BertForSequenceClassification(config)).eval()


def make_other_base(directory: Path, kind: str, *, types: int = 1, seed: int = 7) -> Path:
    """A random encoder of another architecture with the same words; RoBERTa's special tokens have their own names and places."""
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if kind == "roberta" else ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*names, "|", ",", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
    unknown = names[3] if kind == "roberta" else names[1]
    tokenizer = Tokenizer(WordPiece({word: index for index, word in enumerate(vocabulary)}, unk_token=unknown))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "initializer_range": 0.3, "num_labels": 1}
    inner = {"hidden_dim": 64} if kind == "distilbert" else {"intermediate_size": 64, "type_vocab_size": types}
    padding = names.index("<pad>" if kind == "roberta" else "[PAD]")
    config = AutoConfig.for_model(kind, vocab_size=128, pad_token_id=padding, **shape, **inner)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


def make_set(directory: Path, *, lists: int = 6, graded: bool = True, teacher: bool = False) -> Path:
    """A training set in which a hit is relevant when it has the query's colour."""
    colors, things = WORDS[:3], WORDS[3:7]
    documents: dict[str, Fields] = {f"{color}-{thing}": {"title": f"small {thing}", "color": color} for color in colors for thing in things}
    made = []
    for number in range(lists):
        color, thing = colors[number % 3], things[number % 4]
        ids = tuple(f"{other}-{thing}" for other in colors)
        hits = tuple(2.0 if doc_id.startswith(color) else 0.0 for doc_id in ids)
        made.append(TrainingList(f"{color} {thing}", ids, hits if graded else None, hits if teacher else None))
    write_documents(directory, documents)
    write_lists(directory, made)
    return directory


def held_out(directory: Path) -> Path:
    """A validation set of other queries than `make_set` trains on."""
    make_set(directory)
    write_lists(directory, [replace(item, query=f"small {item.query}") for item in read_lists(directory)])
    return directory


def write_run(folder: Path) -> Path:
    """A run file whose random base is exported as it is."""
    write_run_file(folder / "run.yaml", RunFile("tiny", ModelSpec(str(make_base(folder / "base"))), template=TEMPLATE))
    return folder / "run.yaml"
