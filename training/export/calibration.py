"""A training set -> the batches that static quantization takes its ranges from: pairs as the sidecar feeds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sidecar.encoding import TextEncoder
from sidecar.scorer import pair_inputs
from training.export.quantize import Batch
from training.training_set import read_documents, read_lists

# Ranges settle after some hundred pairs; every further list costs time alone.
_LISTS = 32
_HITS = 8


def calibration_batches(folder: Path, encoder: TextEncoder, inputs: frozenset[str]) -> Iterator[Batch]:
    """One small batch a list, of lists spread evenly over the set; `inputs` are the names that the graph takes."""
    lists, documents = read_lists(folder), read_documents(folder)
    for item in lists[:: -(-len(lists) // _LISTS) or 1]:
        hits = [encoder.encode_document(documents[doc_id]) for doc_id in item.doc_ids[:_HITS]]
        pairs = pair_inputs(encoder, encoder.encode_query(item.query), hits)
        yield {name: pairs[name] for name in inputs}
