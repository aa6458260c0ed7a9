"""Which inputs of an encoder's products stand out, so that int8 is spared their range.

A dynamic int8 product divides the whole range of its inputs into 256 levels. In BERT-type encoders some channels are ten times as wide as
the rest (arXiv 2109.12948): a neuron of the feed-forward that fires at [SEP] alone, and what it leaves in the residual. Dividing such a
channel by a constant, and multiplying the weights that read it by the same, changes no score in float (SmoothQuant, arXiv 2211.10438,
equation 3) and leaves more levels to the others. Outliers alone are divided: evening out all channels makes the weights uneven instead.

Outliers show at special tokens, whatever the words: pairs of random words find them, and no data is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sidecar.encoding import TextEncoder
from training.batches import TARGETS, EncodedList, TrainingList
from training.networks import Collate

# Powers of two divide without any rounding.
Divisors = Mapping[str, npt.NDArray[np.float32]]
_LISTS, _HITS = 4, 16
# Tokens; pairs and decomposed documents of these lengths are not padded: padding has ranges of its own.
_QUERY, _DOCUMENT = 6, 39
# Outliers are brought to about this many of the median channel's ranges; what is nearer than a factor of 1.4 to it is none.
_ORDINARY = 3.0


def divisors(network: nn.Module, encoder: TextEncoder, collate: Collate) -> Divisors:
    """What to divide the inputs [channels] of each linear layer by, by its name below the encoder: `encoder.layer.0.output.dense`."""
    config: Any = network.config
    ranges = input_ranges(network, random_batch(config.vocab_size, encoder, collate))
    return {name: divisor(found) for name, found in ranges.items()}


def divisor(ranges: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The powers of two that bring the ranges [channels] of outliers near an ordinary channel's; 1 for all others."""
    ordinary = _ORDINARY * max(float(np.median(ranges)), 1e-6)
    powers: npt.NDArray[np.float32] = np.exp2(np.rint(np.log2(np.maximum(ranges / ordinary, 1.0)))).astype(np.float32)
    return powers


@torch.no_grad()
def input_ranges(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.float32]]:
    """The greatest absolute value of every input channel of every linear layer below the encoder, over a batch."""
    ranges: dict[str, Tensor] = {}

    def note(name: str, x: Tensor) -> None:
        found = x.detach().abs().flatten(0, -2).amax(0)
        ranges[name] = torch.maximum(ranges[name], found) if name in ranges else found

    encoder: Any = network.model
    linear = [(name, module) for name, module in encoder.base_model.named_modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0])) for name, module in linear]
    try:
        network(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: found.float().cpu().numpy() for name, found in ranges.items()}


def random_batch(vocabulary: int, encoder: TextEncoder, collate: Collate) -> dict[str, Tensor]:
    """Queries and documents of random words, as the kind of network reads them."""
    rng = np.random.default_rng(0)
    words = np.setdiff1d(np.arange(vocabulary), [encoder.cls, encoder.sep, encoder.pad])
    template = encoder.template
    query, document = min(_QUERY, template.max_query_tokens), min(_DOCUMENT, template.max_document_tokens)
    lists = [
        EncodedList(rng.choice(words, query), tuple(rng.choice(words, document) for _ in range(_HITS)), TrainingList("", ("",) * _HITS))
        for _ in range(_LISTS)
    ]
    batch = collate(lists)
    return {name: tensor for name, tensor in batch.items() if name not in TARGETS}
