"""A model card in Markdown from the manifest: what the model is, what it was made from, how good and how fast it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.manifest import Manifest

_INTENDED = (
    "Ordering the first hits of a search by relevance to the query, in English. It reads the fields named below and nothing else; "
    "scores order the hits of one query and mean nothing across queries. It was not made for moderation, for other languages, or "
    "for decisions about people."
)


def model_card(manifest: Manifest, summary: str) -> str:
    """The card's text."""
    parts = [
        f"# {manifest.name} {manifest.version}",
        summary,
        _table(
            ("property", "value"),
            [
                ("kind", manifest.kind),
                ("layers, width", f"{manifest.layers}, {manifest.hidden_size}"),
                ("starts from", manifest.base),
                ("longest query, document", f"{manifest.template.max_query_tokens}, {manifest.template.max_document_tokens} tokens"),
                ("licence", "Apache-2.0"),
            ],
        ),
        f"## Intended use\n\n{_INTENDED}",
        "## Text\n\nFields in reading order, with their budgets in tokens:\n\n"
        + _table(("role", "tokens"), [(field.role, str(field.tokens)) for field in manifest.template.fields]),
        "## Training data\n\n" + _table(("data", "licence", "use"), [(item.name, item.licence, item.use) for item in manifest.data]),
        "## Quality\n\n" + _figures(manifest.quality),
        "## Latency\n\n" + _figures(manifest.latency),
    ]
    if manifest.fusion is not None:
        weights = [(name, f"{weight:+.4f}") for name, weight in manifest.fusion.weights.items()]
        parts.append(
            "## Fusion\n\nThe answered score is a weighted sum over each list's features:\n\n" + _table(("feature", "weight"), weights)
        )
        if manifest.fusion.off:
            parts.append(
                f"Queries of these kinds keep the first pass's order, as re-ranking harmed them: {', '.join(manifest.fusion.off)}."
            )
    return "\n\n".join(parts) + "\n"


def _figures(values: Mapping[str, Any]) -> str:
    if not values:
        return "Not measured yet."
    return _table(("measure", "value"), [(name, _value(value)) for name, value in values.items()])


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
