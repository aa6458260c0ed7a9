"""Where narrow document states start: at the projection that the upper layers notice least.

Those layers read a document's states x through their key and value weights alone, stacked: M x. Of all ways to keep `width` numbers of x
the one whose M x is nearest, over real states, comes from the singular vectors of M C^(1/2), C being the states' covariance
(Eckart-Young). Started from random weights instead, a student has to find again what its source knew.
"""

from __future__ import annotations

import torch
from torch import nn

from training.batches import Batch
from training.models.decomposed import DecomposedCrossEncoder

_SEED = 5


@torch.no_grad()
def fit_projection(network: DecomposedCrossEncoder, batch: Batch) -> None:
    """Set a new `compress` and `expand` from the documents of a batch; does nothing where they were trained, or states keep their width."""
    compress, expand = network.compress, network.expand
    if network.projected or not isinstance(compress, nn.Linear) or not isinstance(expand, nn.Linear):
        return
    mask = batch["document_mask"].bool()
    states = network.hidden_states(batch["document_ids"], mask)[mask].double()
    mean = states.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((states - mean).T))
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    readers = torch.cat(
        [part.weight for layer in network.upper for part in (layer.attention.self.key, layer.attention.self.value)]
    ).double()
    directions = torch.linalg.svd(readers @ root, full_matrices=False).U[:, : network.state_width]
    # Kept in int8 with one scale a token: a rotation gives every number about the same range.
    random = torch.randn(network.state_width, network.state_width, generator=torch.Generator().manual_seed(_SEED), dtype=torch.double)
    directions = directions @ torch.linalg.qr(random).Q
    compress.weight.copy_(directions.T @ readers)
    compress.bias.copy_(-compress.weight.double() @ mean)
    expand.weight.copy_(torch.linalg.pinv(readers) @ directions)
    expand.bias.copy_(mean)
