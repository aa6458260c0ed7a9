"""Lists of hits -> padded tensors: the token store, the data set that reads lists through it, and the two collators."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sidecar.encoding import Fields, TextEncoder, Tokens

Batch = dict[str, Tensor]
# What a batch holds for the losses, beside the inputs of the network.
TARGETS = ("mask", "grades", "teacher")


@dataclass(frozen=True, slots=True)
class TrainingList:
    """A query, its hits (keys of the token store) and what is known of them: grades, teacher logits, or both."""

    query: str
    doc_ids: tuple[str, ...]
    grades: tuple[float, ...] | None = None
    teacher: tuple[float, ...] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Noise:
    """Augmentation against over-fitting: chances that a document loses a field or a token, or its query gets a typing slip."""

    drop_field: float = 0.0
    drop_token: float = 0.0
    typo: float = 0.0


class TokenStore:
    """Documents as token arrays, one a template field, tokenized once."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder
        self._fields: dict[str, tuple[Tokens, ...]] = {}

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._fields

    def add(self, documents: Mapping[str, Fields], *, chunk: int = 4096) -> None:
        """Tokenize documents that are not there yet."""
        new = [doc_id for doc_id in documents if doc_id not in self._fields]
        for start in range(0, len(new), chunk):
            ids = new[start : start + chunk]
            encoded = self.encoder.encode_fields([documents[doc_id] for doc_id in ids])
            self._fields.update(zip(ids, encoded, strict=True))

    def length(self, doc_id: str) -> int:
        """Tokens of a document, separators left out."""
        return min(sum(map(len, self._fields[doc_id])), self.encoder.template.max_document_tokens)

    def document(self, doc_id: str, noise: Noise | None = None, rng: random.Random | None = None) -> Tokens:
        """The token array of a document, with noise where it is given."""
        parts = self._fields[doc_id]
        if noise is not None and rng is not None:
            parts = tuple(_noisy(part, index, noise, rng) for index, part in enumerate(parts))
        return self.encoder.join(parts)


def _noisy(tokens: Tokens, index: int, noise: Noise, rng: random.Random) -> Tokens:
    # The first field (the title) stays: a document without one is no longer the document that was graded.
    if index > 0 and rng.random() < noise.drop_field:
        return tokens[:0]
    if noise.drop_token > 0 and len(tokens) > 3:
        return tokens[[rng.random() >= noise.drop_token for _ in tokens]]
    return tokens


def with_typo(query: str, rng: random.Random) -> str:
    """The query with one slip: two letters swapped, one dropped or one doubled, in a word of four letters or more."""
    words = query.split()
    long = [index for index, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return query
    index = rng.choice(long)
    word, at = words[index], rng.randrange(1, len(words[index]) - 1)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    )
    slip = rng.choice(slips)
    # Two equal letters that change places are no slip.
    words[index] = slip if slip != word else slips[1]
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class EncodedList:
    """One list as token arrays, ready to be collated."""

    query: Tokens
    documents: tuple[Tokens, ...]
    item: TrainingList


class ListDataset(Dataset[EncodedList]):
    """Training lists read through the token store; noise depends on (seed, epoch, index) alone: a resumed run sees the same."""

    def __init__(self, lists: Sequence[TrainingList], store: TokenStore, *, noise: Noise | None = None, seed: int = 0) -> None:
        self.lists = lists
        self.store = store
        self.noise = noise
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lists)

    def set_epoch(self, epoch: int) -> None:
        """Called at each epoch's start: noise and order follow it."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> EncodedList:
        item = self.lists[index]
        rng = random.Random(f"{self.seed}:{self.epoch}:{index}") if self.noise else None
        query = item.query
        if rng is not None and self.noise is not None and rng.random() < self.noise.typo:
            query = with_typo(query, rng)
        documents = tuple(self.store.document(doc_id, self.noise, rng) for doc_id in item.doc_ids)
        return EncodedList(self.store.encoder.encode_query(query), documents, item)

    def sizes(self) -> tuple[list[int], list[int]]:
        """Of each list: its hits, and the tokens of its longest hit."""
        hits = [len(item.doc_ids) for item in self.lists]
        return hits, [max(self.store.length(doc_id) for doc_id in item.doc_ids) for item in self.lists]


def pad(arrays: Sequence[Tokens], value: int, multiple: int = 8) -> tuple[Tensor, Tensor]:
    """Stack token arrays: ids [n, length] filled with `value`, and the mask of real tokens [n, length]."""
    length = -(-max(len(array) for array in arrays) // multiple) * multiple
    ids = np.full((len(arrays), length), value, dtype=np.int64)
    mask = np.zeros((len(arrays), length), dtype=bool)
    for row, array in enumerate(arrays):
        ids[row, : len(array)] = array
        mask[row, : len(array)] = True
    return torch.from_numpy(ids), torch.from_numpy(mask)


def collate_pairs(encoder: TextEncoder, lists: Sequence[EncodedList]) -> Batch:
    """A cross-encoder's batch: one row a (query, hit) pair, and the lists' targets."""
    pairs = [encoder.pair(item.query, document) for item in lists for document in item.documents]
    ids, mask = pad([pair[0] for pair in pairs], encoder.pad)
    types, _ = pad([pair[1] for pair in pairs], 0)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types, **targets(lists)}


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Tokens set before a text by a bi-encoder's two sides."""

    query: Tokens
    passage: Tokens


def collate_apart(encoder: TextEncoder, lists: Sequence[EncodedList], *, prefixes: Prefixes | None = None) -> Batch:
    """A batch for models that read query and document apart: one row a query, one row a hit, and the lists' targets.

    Without `prefixes` a document is `document [SEP]` (the decomposed model); with them both sides are `[CLS] prefix text [SEP]`.
    """
    if prefixes is None:
        queries = [encoder.single(item.query) for item in lists]
        documents = [np.append(document, encoder.sep) for item in lists for document in item.documents]
    else:
        queries = [encoder.single(np.concatenate([prefixes.query, item.query])) for item in lists]
        documents = [encoder.single(np.concatenate([prefixes.passage, document])) for item in lists for document in item.documents]
    query_ids, query_mask = pad(queries, encoder.pad)
    document_ids, document_mask = pad(documents, encoder.pad)
    index = [row for row, item in enumerate(lists) for _ in item.documents]
    return {
        "query_ids": query_ids,
        "query_mask": query_mask,
        "document_ids": document_ids,
        "document_mask": document_mask,
        "list_index": torch.tensor(index),
        **targets(lists),
    }


def targets(lists: Sequence[EncodedList]) -> Batch:
    """What losses read, all [lists, hits]: `mask` of real hits, `grades` and `teacher` logits, NaN where a list has none."""
    mask = torch.zeros(len(lists), max(len(item.documents) for item in lists), dtype=torch.bool)
    grades, teacher = torch.full(mask.shape, torch.nan), torch.full(mask.shape, torch.nan)
    for row, encoded in enumerate(lists):
        count = len(encoded.documents)
        mask[row, :count] = True
        if encoded.item.grades is not None:
            grades[row, :count] = torch.tensor(encoded.item.grades)
        if encoded.item.teacher is not None:
            teacher[row, :count] = torch.tensor(encoded.item.teacher)
    return {"mask": mask, "grades": grades, "teacher": teacher}
