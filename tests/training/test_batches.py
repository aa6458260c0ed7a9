"""Lists become batches: whole, within the budget, the same for the same seed."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard

from sidecar.encoding import TextEncoder
from tests.training.tiny import TEMPLATE, make_base, make_set
from training.batches import ListDataset, Noise, Prefixes, TokenStore, TrainingList, collate_apart, collate_pairs, with_typo
from training.networks import load_tokenizer
from training.sampling import BudgetSampler
from training.training_set import read_documents, read_lists


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return TextEncoder(load_tokenizer(str(make_base(tmp_path_factory.mktemp("base")))), TEMPLATE.text_template())


@pytest.fixture
def dataset(encoder, tmp_path):
    make_set(tmp_path, lists=12)
    store = TokenStore(encoder)
    store.add(read_documents(tmp_path))
    return ListDataset(read_lists(tmp_path), store)


def test_every_list_is_in_exactly_one_batch(dataset):
    batches = BudgetSampler(dataset, max_hits=7).batches()
    assert sorted(index for batch in batches for index in batch) == list(range(12))


def test_no_batch_exceeds_the_budget_of_hits(dataset):
    assert all(3 * len(batch) <= 7 for batch in BudgetSampler(dataset, max_hits=7).batches())


def test_no_batch_of_several_lists_exceeds_the_budget_of_padded_tokens(encoder):
    store = TokenStore(encoder)
    store.add({str(words): {"title": " ".join(["red"] * words)} for words in range(1, 7)})
    lists = [TrainingList("sofa", (str(words), "1"), (1.0, 0.0)) for words in (1, 6, 2, 5, 3, 4) for _ in range(4)]
    sampler = BudgetSampler(ListDataset(lists, store), max_hits=16, max_tokens=30)
    batches = sampler.batches()
    assert sorted(index for batch in batches for index in batch) == list(range(24))
    padded = [sum(sampler.hits[index] for index in batch) * max(sampler.lengths[index] for index in batch) for batch in batches]
    assert max(padded) <= 30
    # Of the shortest lists as many are together as hits allow.
    assert max(len(batch) for batch in batches) > 30 // (2 * 6)


def test_every_epoch_has_as_many_batches_and_they_follow_one_another_through_whole_passes(encoder):
    store = TokenStore(encoder)
    store.add({str(words): {"title": " ".join(["red"] * words)} for words in range(1, 7)})
    rng = random.Random(0)
    lists = [TrainingList(str(number), tuple(str(rng.randint(1, 6)) for _ in range(rng.randint(1, 7)))) for number in range(40)]
    sampler = BudgetSampler(ListDataset(lists, store), max_hits=16, pool=3)
    epochs = []
    for epoch in range(12):
        sampler.dataset.set_epoch(epoch)
        epochs.append(sampler.batches())
    assert {len(batches) for batches in epochs} == {len(sampler)}
    stream = [index for batches in epochs for batch in batches for index in batch]
    passes = [stream[start : start + 40] for start in range(0, len(stream) - 39, 40)]
    assert len(passes) > 9
    assert all(sorted(each) == list(range(40)) for each in passes)
    # Here the passes are not all cut alike, or this would say nothing.
    assert len({sampler._count(number) for number in range(12)}) > 1


def test_a_list_larger_than_the_budget_makes_a_batch_of_its_own(dataset):
    assert [len(batch) for batch in BudgetSampler(dataset, max_hits=2).batches()] == [1] * 12


@pytest.mark.parametrize(("max_hits", "repeated"), [(9, 0), (6, 0), (2, 2)], ids=["as they are", "one too many", "one list each"])
def test_processes_that_share_the_batches_take_as_many_each_and_all_lists_together(dataset, max_hits, repeated):
    lists = ListDataset(dataset.lists[:10], dataset.store)
    sampler = BudgetSampler(lists, max_hits=max_hits, processes=4)
    shares = [list(BatchSamplerShard(sampler, 4, process, even_batches=False)) for process in range(4)]
    assert len({len(share) for share in shares}) == 1
    seen = [index for share in shares for batch in share for index in batch]
    assert (set(seen), len(seen)) == (set(range(10)), 10 + repeated)


def test_the_order_depends_on_seed_and_epoch_alone(dataset):
    sampler = BudgetSampler(dataset, max_hits=6, seed=1)
    first = sampler.batches()
    dataset.set_epoch(1)
    assert sampler.batches() != first
    dataset.set_epoch(0)
    assert sampler.batches() == first


def test_targets_are_nan_where_a_list_has_none(dataset, encoder):
    batch = collate_pairs(encoder, [dataset[0]])
    assert batch["grades"].tolist() == [[2.0, 0.0, 0.0]]
    assert all(math.isnan(value) for value in batch["teacher"][0].tolist())


def test_a_pair_is_query_then_document_with_their_types(dataset, encoder):
    batch = collate_pairs(encoder, [dataset[0]])
    ids, types = batch["input_ids"][0].tolist(), batch["token_type_ids"][0].tolist()
    assert ids[:4] == [encoder.cls, *dataset[0].query.tolist(), encoder.sep]
    assert types[3:5] == [0, 1]


def test_lists_of_different_lengths_share_a_batch_by_their_mask(dataset, encoder):
    short = TrainingList("red sofa", dataset.lists[0].doc_ids[:2], (1.0, 0.0))
    both = ListDataset([dataset.lists[0], short], dataset.store)
    batch = collate_apart(encoder, [both[0], both[1]])
    assert batch["mask"].tolist() == [[True, True, True], [True, True, False]]
    assert batch["list_index"].tolist() == [0, 0, 0, 1, 1]


def test_prefixes_stand_before_both_sides(dataset, encoder):
    prefixes = Prefixes(encoder.encode_prefix("small"), encoder.encode_prefix("large"))
    batch = collate_apart(encoder, [dataset[0]], prefixes=prefixes)
    assert batch["query_ids"][0, 1].item() == prefixes.query[0]
    assert batch["document_ids"][0, 1].item() == prefixes.passage[0]


def test_noise_is_the_same_for_the_same_epoch(dataset):
    noisy = ListDataset(dataset.lists, dataset.store, noise=Noise(drop_field=0.5, typo=0.5), seed=3)
    assert noisy[0].query.tolist() == noisy[0].query.tolist()
    assert all((a == b).all() for a, b in zip(noisy[1].documents, noisy[1].documents, strict=True))


def test_noise_never_drops_the_title(dataset):
    noisy = ListDataset(dataset.lists, dataset.store, noise=Noise(drop_field=1.0), seed=3)
    assert all(len(document) == 2 for document in noisy[0].documents)


@pytest.mark.parametrize("query", ["sofa for phone", "red metal lamp"])
def test_a_typo_changes_one_word_by_one_slip(query):
    slipped = with_typo(query, random.Random(1))
    changed = [(a, b) for a, b in zip(query.split(), slipped.split(), strict=True) if a != b]
    assert len(changed) <= 1
    assert all(abs(len(a) - len(b)) <= 1 for a, b in changed)


def test_a_typo_never_leaves_the_query_as_it_was():
    assert all(with_typo("zoom lamp", random.Random(seed)) != "zoom lamp" for seed in range(200))


def test_a_query_of_short_words_has_no_typo():
    assert with_typo("usb c tv", random.Random(1)) == "usb c tv"


def test_a_broken_line_of_a_training_set_is_named(tmp_path: Path):
    import gzip  # noqa: PLC0415 - one test writes a file by hand

    make_set(tmp_path)
    with gzip.open(tmp_path / "lists.jsonl.gz", "ab") as file:
        file.write(b'{"query": 3}\n')
    with pytest.raises(ValueError, match=r"lists.jsonl.gz:7: .*query"):
        read_lists(tmp_path)


def test_a_padded_batch_is_a_multiple_of_eight_long(dataset, encoder):
    assert collate_pairs(encoder, [dataset[0]])["input_ids"].shape[1] % 8 == 0
    assert collate_pairs(encoder, [dataset[0]])["input_ids"].dtype == torch.int64
