"""A first pass -> its hits by judged query id: a TREC run, joined by the id itself or by the text that its id stands for, or live searches.

Invariant: every query of a run is joined or counted; a run of which none is joined is refused, as it would mine no hard negatives. Every
hit that the catalogue lacks is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from training.data.lists import QueryList
from training.data.refusals import refuse_nothing
from training.data.report import Report, count
from training.data.splits import canonical
from training.metrics.ranking import Run

Tell = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class FirstPass:
    """A run, and the texts of its query ids where they are not the judgments' own ids."""

    run: Run
    texts: Mapping[str, str] | None = None


class Search(Protocol):
    """A first pass that is asked now: the hits of these queries by their ids, `known` being the catalogue's ids; reports are told."""

    def __call__(self, lists: Sequence[QueryList], known: Collection[str], tell: Tell) -> Run: ...


def find_hits(
    first_pass: FirstPass | Search, lists: Sequence[QueryList], train: Sequence[QueryList], known: Collection[str], tell: Tell
) -> Run:
    """The hits of a run's judged queries, or of searches for the train part's; raises where none could become a hard negative."""
    if not isinstance(first_pass, FirstPass):
        return first_pass(train, known, tell)
    joined, report = join_queries(first_pass, lists)
    tell(report)
    # By the run's own ids: one of its queries may be judged in several spellings.
    run = {each: _named(first_pass.run[each], known) for each in joined.values()}
    hits = in_catalogue(run, known, "run hits")
    tell(hits)
    refuse_nothing(hits)
    return {query_id: run[each] for query_id, each in joined.items()}


def _named(hits: Mapping[str, float], known: Collection[str]) -> dict[str, float]:
    """By the catalogue's ids: a run that `rerank evaluate` wrote percent-encodes what would part its columns."""
    return {doc_id if doc_id in known else unquote(doc_id): score for doc_id, score in hits.items()}


def in_catalogue(run: Run, known: Collection[str], step: str) -> Report:
    """A report of the run's hits, those that are not known counted."""
    return count(Counter(None if doc_id in known else "not in the catalogue" for hits in run.values() for doc_id in hits), step)


def join_queries(first_pass: FirstPass, lists: Sequence[QueryList]) -> tuple[dict[str, str], Report]:
    """Judged query id -> the run's, and a report of the run's queries; raises ValueError where none is a judged one."""
    run, texts = first_pass.run, first_pass.texts
    if texts is None:
        joined = {item.query_id: item.query_id for item in lists if item.query_id in run}
    else:
        joined = _by_text({texts[each]: each for each in run if each in texts}, lists)
    if not joined:
        raise ValueError(_refusal(first_pass, lists))
    unread = 0 if texts is None else sum(each not in texts for each in run)
    used = len(set(joined.values()))
    reasons = {None: used, "no text in the file of --run-queries": unread, "not a judged query": len(run) - used - unread}
    return joined, count(reasons, "run queries")


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


def _by_text(ids: Mapping[str, str], lists: Sequence[QueryList]) -> dict[str, str]:
    """Judged query id -> the run's, by `ids` of its texts: the nearest spelling first, as without punctuation `c++` and `c#` are one."""
    spellings: tuple[Callable[[str], str], ...] = (str, _folded, canonical)
    tables = [{key: query_id for text, query_id in ids.items() if (key := spelling(text))} for spelling in spellings]
    joined: dict[str, str] = {}
    for item in lists:
        found = (table.get(spelling(item.query)) for spelling, table in zip(spellings, tables, strict=True))
        if (query_id := next((each for each in found if each is not None), None)) is not None:
            joined[item.query_id] = query_id
    return joined


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
