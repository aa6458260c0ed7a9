"""A TREC run -> the first pass's hits by judged query id, joined by the id itself or by the text that the run's id stands for.

Invariant: every query of the run is joined or counted; a run of which none is joined is refused, as it would mine no hard negatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.data.lists import QueryList
from training.data.report import Report, count
from training.metrics.ranking import Run


@dataclass(frozen=True, slots=True)
class FirstPass:
    """A run, and the texts of its query ids where they are not the judgments' own ids."""

    run: Run
    texts: Mapping[str, str] | None = None


def hits_by_query(first_pass: FirstPass, lists: Sequence[QueryList]) -> tuple[Run, Report]:
    """The hits of each judged query, and a report of the run's queries; raises ValueError where none is a judged one."""
    run, texts = first_pass.run, first_pass.texts
    ids = {query_id: query_id for query_id in run} if texts is None else {_key(texts[each]): each for each in run if each in texts}
    keys = {item.query_id: item.query_id if texts is None else _key(item.query) for item in lists}
    joined = {query_id: ids[key] for query_id, key in keys.items() if key in ids}
    if not joined:
        raise ValueError(_refusal(first_pass, lists))
    unread = 0 if texts is None else sum(each not in texts for each in run)
    used = len(set(joined.values()))
    reasons = {None: used, "no text in the file of --run-queries": unread, "not a judged query": len(run) - used - unread}
    return {query_id: run[each] for query_id, each in joined.items()}, count(reasons, "run queries")


def _refusal(first_pass: FirstPass, lists: Sequence[QueryList]) -> str:
    if not first_pass.run:
        return "the run holds no hit: its lines are `query_id Q0 doc_id rank score tag`, and an id has no spaces"
    asked = next(iter(first_pass.run))
    if first_pass.texts is None:
        judged = lists[0].query_id if lists else ""
        return (
            f"none of the run's {len(first_pass.run):,} query ids (such as {asked!r}) is a judged one (such as {judged!r}): name their "
            "texts with --run-queries FILE, lines of ID<TAB>TEXT, such as the queries.tsv that `rerank evaluate` writes beside its runs"
        )
    judged, text = (lists[0].query if lists else ""), first_pass.texts.get(asked)
    return (
        f"none of the run's {len(first_pass.run):,} queries (such as {asked!r}: {text!r}) has the text of a judged one (such as "
        f"{judged!r}): check that --run-queries belongs to --run, and both to these judgments"
    )


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()
