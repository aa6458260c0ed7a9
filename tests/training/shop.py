"""A shop of a few products with graded queries, as files and in memory, and the tiny models to evaluate on it."""

from __future__ import annotations

import json
from pathlib import Path

from sidecar.manifest import Fusion
from tests.sidecar.tiny import write_model

COLOURS = ("red", "blue", "green")
THINGS = ("shoe", "phone case", "usb cable", "running shoes")
PRODUCTS = {
    f"{colour[0]}{number}": {
        "title": f"{colour} {thing}",
        "brand": "acme" if number % 2 else "",
        "category": ["Shop", thing],
        "description": f"large {thing} for running without cable",
    }
    for number, thing in enumerate(THINGS)
    for colour in COLOURS
}
# The wanted thing in the wanted colour is grade 3, in another colour 2, the same colour of another thing 0.
JUDGED = {
    f"{colour} {thing}": {doc_id: 3 if doc_id == f"{colour[0]}{number}" else 2 if doc_id[1:] == str(number) else 0 for doc_id in PRODUCTS}
    for number, thing in enumerate(THINGS)
    for colour in COLOURS
}


def write_shop(folder: Path) -> Path:
    """The folder with `products.jsonl` and `judgments.json`, as the samples have them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"id": doc_id, **product}) for doc_id, product in PRODUCTS.items()]
    (folder / "products.jsonl").write_text("\n".join(rows))
    ratings = {3: 100, 2: 10, 1: 1, 0: 0}
    judged = [
        {"query": query, "ratings": [{"docId": doc_id, "rating": ratings[grade]} for doc_id, grade in grades.items()]}
        for query, grades in JUDGED.items()
    ]
    (folder / "judgments.json").write_text(json.dumps({"judgmentRatings": judged}))
    return folder


def write_models(folder: Path) -> Path:
    """`plain`, `fused` (with a fusion in its manifest) and `embedder`."""
    write_model(folder / "plain", seed=1)
    write_model(folder / "fused", seed=2, fusion=Fusion({"cross_encoder": 0.1, "first_pass": 2.0, "text_overlap": 1.0, "dense": 0.5}))
    write_model(folder / "embedder", kind="embedder")
    return folder
