"""Known logs -> interactions: User Behavior Insights, Online Retail, MovieLens, each with its own names and meanings.

Invariant: the same table as from any other log (`training.data.interactions`), so that everything after it is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ibis
from ibis.expr.types import Table

from training.data.cleaning import Cleaning
from training.data.engine import Engine
from training.data.interactions import SCHEMA, InteractionColumns, read_interactions, typed
from training.data.reading import Read, check, open_raw
from training.data.report import Report

_RETAIL = InteractionColumns(
    item="StockCode",
    user="CustomerID",
    timestamp="InvoiceDate",
    session="InvoiceNo",
    name="Description",
    quantity="Quantity",
    constant_type="purchase",
)
# Wholesale customers buy hundreds of items in one invoice, so no rate makes a bot here; POST, BANK CHARGES and the like are no items,
# and a name without a capital letter is a stock keeper's note.
ONLINE_RETAIL_CLEANING = Cleaning(
    item_pattern=r"^([0-9]{5}|DCGS|gift_|PADS)",
    notes=True,
    note_pattern=Cleaning().note_pattern + r"|^[^A-Z]*$",
    max_events_per_hour=None,
)


@dataclass(frozen=True, slots=True)
class Ubi:
    """UBI events as interactions, with the text of their queries, the queries themselves, and one report for each file kind."""

    interactions: Table
    queries: Table
    reports: tuple[Report, Report]


def read_ubi(
    engine: Engine,
    queries: Sequence[Path],
    events: Sequence[Path],
    *,
    ordinal_base: Literal[0, 1],
    item: str = "event_attributes.object.object_id",
) -> Ubi:
    """UBI 1.3 queries and events, one JSON object a line; producers count ordinals from 0 or from 1, so it must be said.

    Positions come from the events alone: a re-ranked page was not shown in the order of `query_response_hit_ids`.
    """
    asked = _ubi_queries(engine, queries)
    columns = InteractionColumns(
        item=item,
        user="user_id|client_id",
        type="action_name",
        timestamp="timestamp",
        session="session_id|event_attributes.session_id",
        query_id="query_id",
        position="event_attributes.position.ordinal",
        device="event_attributes.browser|event_attributes.device",
        position_base=ordinal_base,
    )
    done = typed(open_raw(engine, events), columns, "UBI events")
    texts = asked.rows.select(asked_id="query_id", asked="query")
    joined = done.rows.left_join(texts, done.rows.query_id == texts.asked_id)
    return Ubi(joined.mutate(query=joined.asked).select(*SCHEMA), asked.rows, (asked.report, done.report))


def read_online_retail(engine: Engine, paths: Sequence[Path]) -> Read:
    """UCI Online Retail: invoice lines as purchases, or cancellations where the invoice starts with C or takes goods back."""
    read = read_interactions(engine, paths, _RETAIL)
    rows = read.rows
    cancelled = rows.session_id.startswith("C") | (rows.quantity < 0)
    return Read(
        # Customers were written as decimal numbers.
        rows.mutate(user_id=rows.user_id.re_replace(r"\.0$", ""), type=cancelled.ifelse("cancellation", "purchase")),
        read.report,
    )


def read_movielens(engine: Engine, paths: Sequence[Path], *, liked_from: float = 4.0) -> Read:
    """MovieLens ratings as interactions `like` (from `liked_from` stars) and `dislike`; `quantity` holds the stars."""
    columns = InteractionColumns(item="movieId", user="userId", timestamp="timestamp", quantity="rating", constant_type="rating")
    read = read_interactions(engine, paths, columns)
    return Read(read.rows.mutate(type=(read.rows.quantity >= liked_from).ifelse("like", "dislike")), read.report)


def _ubi_queries(engine: Engine, paths: Sequence[Path]) -> Read:
    raw = open_raw(engine, paths)
    query_id, text = raw.column("query_id"), raw.column("user_query")
    faults = [(query_id.isnull(), "no query_id"), (text.isnull(), "no user_query")]
    columns = {
        "query_id": query_id,
        "query": text,
        "client_id": raw.column("client_id"),
        "timestamp": raw.column("timestamp"),
    }
    read = check(raw, "UBI queries", faults, columns)
    # One id is one query; a producer may write it once for every page.
    place = ibis.row_number().over(group_by="query_id", order_by=[ibis.asc("timestamp"), ibis.asc("query")])
    first = read.rows.mutate(place=place).filter(lambda rows: rows.place == 0).drop("place")
    kept = engine.keep(first)
    repeated = read.report.kept - int(kept.count().to_pyarrow().as_py())
    dropped = {**read.report.dropped, **({"query_id written again": repeated} if repeated else {})}
    return Read(kept, Report("UBI queries", read.report.rows, dropped, read.report.examples))
