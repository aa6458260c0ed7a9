"""Masked-language-model pre-training on a catalogue's own text, before any ranking (ListBERT, arXiv 2206.15198, section 3.1).

The encoder keeps transformers' layout, so the result is a base like any other: `model.base: runs/pretrain/model`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    AddedToken,
    AutoModelForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)

from sidecar.encoding import Fields, field_text
from training.allocator import keep_freed_memory
from training.bases import base_directory
from training.distil.queries import words_of
from training.keys import folder_key
from training.models.attention import transformers_attention
from training.models.dropout import replace_dropout
from training.networks import known_positions, load_tokenizer
from training.progress import speak
from training.trainer import last_whole_checkpoint, set_precision

# What BERT's kin and RoBERTa's kin call them; a tokenizer has one of each.
_SPECIAL = {
    "unk_token": ("[UNK]", "<unk>"),
    "sep_token": ("[SEP]", "</s>"),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "mask_token": ("[MASK]", "<mask>"),
}


_WEIGHTS = frozenset({".safetensors", ".bin", ".json"})


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """`new_words` extends the vocabulary by that many of the catalogue's most frequent words that are now split (0 = none)."""

    epochs: float = 1.0
    learning_rate: float = 5e-5
    batch_size: int = 32
    max_tokens: int = 128
    masked: float = 0.15
    new_words: int = 0
    seed: int = 13
    bf16: bool = True


class _Texts(Dataset[dict[str, list[int]]]):
    def __init__(self, texts: Sequence[str], tokenizer: Any, max_tokens: int) -> None:
        self._ids = tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return {"input_ids": self._ids[index]}


def pretrain(base: str, documents: Iterable[Fields], output: Path, settings: PretrainSettings, *, report_to: str = "tensorboard") -> float:
    """Pre-train and write `output/model`; returns the mean loss of the steps that it took. An interrupted run goes on from its last whole
    checkpoint, and a finished one is left as it is.

    Raises ValueError where the folder holds the run of another catalogue, base or settings.
    """
    set_seed(settings.seed)
    texts = catalogue_texts(documents)
    source = base_directory(base)
    run = {"base": base, **asdict(settings), "texts": blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()}
    if Path(source).is_dir():
        # Under one name there may be other weights by now.
        run["weights"] = folder_key(Path(source), suffixes=_WEIGHTS)
    checkpoint = last_whole_checkpoint(output)
    kept = _kept(output, run) if checkpoint else {}
    if "loss" in kept and (output / "model" / "tokenizer.json").exists():
        return float(kept["loss"])
    _note(output, run)
    tokenizer = masking_tokenizer(base)
    model = AutoModelForMaskedLM.from_pretrained(source, attn_implementation=transformers_attention())
    replace_dropout(model)
    if settings.new_words:
        extend_vocabulary(tokenizer, model, texts, settings.new_words)
    keep_freed_memory()
    trainer = Trainer(
        model,
        _arguments(settings, output, report_to),
        # An exported model keeps as many positions as its template has tokens.
        train_dataset=_Texts(texts, tokenizer, min(settings.max_tokens, known_positions(model))),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=settings.masked),
    )
    speak(trainer)
    result = trainer.train(resume_from_checkpoint=checkpoint)
    # The encoder alone: the masked-word head has done its work.
    model.base_model.save_pretrained(output / "model")
    tokenizer.backend_tokenizer.save(str(output / "model" / "tokenizer.json"))
    # transformers divides the sum over this call's steps by all steps of the run.
    taken = result.global_step - (int(Path(checkpoint).name.removeprefix("checkpoint-")) if checkpoint else 0)
    loss = result.training_loss * result.global_step / max(1, taken)
    _note(output, {**run, "loss": loss})
    return float(loss)


def _kept(output: Path, run: Mapping[str, object]) -> dict[str, Any]:
    """What the folder's checkpoints are of; raises ValueError where that is something else. Nothing is known of older ones."""
    path = output / "pretrain.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if other := sorted(name for name, value in run.items() if kept.get(name, value) != value):
        raise ValueError(
            f"{output} holds a run with another {', '.join(other)}, from which this one would go on: take another --out, or delete it"
        )
    return kept


def _note(output: Path, run: Mapping[str, object]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "pretrain.json").write_text(json.dumps(run, indent=2) + "\n")


def catalogue_texts(documents: Iterable[Fields]) -> list[str]:
    """Each document's fields as one text, those without any left out; raises ValueError where nothing is left to learn from."""
    found = [" ".join(filter(None, (field_text(value) for value in fields.values()))) for fields in documents]
    texts = list(filter(None, found))
    if not texts:
        raise ValueError(f"none of the catalogue's {len(found)} documents has any text: check the file, --preset and --role")
    return texts


def masking_tokenizer(base: str) -> Any:
    """A base's tokenizer with the special tokens of its own vocabulary; raises ValueError where it cannot hide a word."""
    found = load_tokenizer(base)
    # The file may carry the truncation and padding of its last use.
    found.no_truncation()
    found.no_padding()
    names = {role: next((name for name in known if found.token_to_id(name) is not None), None) for role, known in _SPECIAL.items()}
    lacking = [" or ".join(_SPECIAL[role]) for role, name in names.items() if name is None and role != "unk_token"]
    if lacking:
        raise ValueError(
            f"the tokenizer of {base} has no token {', none '.join(lacking)}: masked words cannot be learnt; take another --base"
        )
    return PreTrainedTokenizerFast(tokenizer_object=found, **{role: name for role, name in names.items() if name is not None})


def extend_vocabulary(tokenizer: Any, model: Any, texts: Iterable[str], count: int) -> list[str]:
    """Add the most frequent words that the tokenizer splits; each starts as the mean of its pieces' embeddings."""
    frequent = Counter(word.lower() for text in texts for word in words_of(text) if word.isalpha() and len(word) > 3)
    split = [
        (word, ids) for word, _ in frequent.most_common(20 * count) if len(ids := tokenizer.encode(word, add_special_tokens=False)) > 1
    ]
    chosen = split[:count]
    # Whole words alone: `lamp` must not tear `lampshade` apart. The space before belongs to the word where a tokenizer counts spaces.
    tokenizer.add_tokens([AddedToken(word, single_word=True, lstrip=True) for word, _ in chosen])
    # Some bases have more rows than words.
    model.resize_token_embeddings(max(len(tokenizer), model.get_input_embeddings().num_embeddings))
    table = model.get_input_embeddings().weight
    with torch.no_grad():
        for word, pieces in chosen:
            table[tokenizer.convert_tokens_to_ids(word)] = table[pieces].mean(0)
    return [word for word, _ in chosen]


def _arguments(settings: PretrainSettings, output: Path, report_to: str) -> TrainingArguments:
    set_precision(bf16=settings.bf16)
    return TrainingArguments(
        output_dir=str(output),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        warmup_ratio=0.06,
        bf16=settings.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        save_strategy="steps",
        save_steps=500,
        save_total_limit=2,
        logging_steps=50,
        report_to=report_to,
    )
