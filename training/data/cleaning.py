"""Interactions -> those worth learning from, and a report of what was dropped and why.

Invariant: a row is dropped by the first rule that applies to it, and counted under that rule's reason; nothing else disappears.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from ibis.expr.types import BooleanScalar, Table

from training.data.engine import Engine
from training.data.interactions import SCHEMA
from training.data.reading import Read
from training.data.report import count

_HOUR_MS = 3_600_000
# What stock keepers write where an item's name belongs.
_NOTE_WORDS = (
    r"\b(?i:damage[sd]?|dagamed|missing|lost|found|check|adjust(ed|ment)?|thrown|throw away|wrong(ly)?|incorrect(ly)?|"
    r"faulty|broken|smashed|crushed|mouldy|wet|rusty|returned|mixed up|sold as|stock|test|samples?|barcode|amazon|ebay|dotcom)\b"
)
# What a cancellation shares with its purchase.
_PAIRED_BY = ("user_id", "item_id", "amount")


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Which rules run, and their limits; none or an empty set switches a rule off.

    A user with more than `max_events_per_hour` in any hour is a bot: too low and the shop's keenest customers go, too high and
    scrapers teach the model. `duplicates` are rows equal in all columns, a time and a user or a session among them. `item_pattern` is
    what the ids of real items match (fees and postage are no items).
    """

    duplicates: bool = True
    cancelled_types: frozenset[str] = frozenset({"cancellation"})
    cancellable_types: frozenset[str] = frozenset({"purchase"})
    item_pattern: str | None = None
    notes: bool = False
    note_pattern: str = _NOTE_WORDS
    bot_device_pattern: str | None = r"(?i)(bot\b|crawl|spider|scrap)"
    max_events_per_hour: int | None = 1000
    searched_sessions_only: bool = False


def clean(engine: Engine, interactions: Table, rules: Cleaning) -> Read:
    """The rows of `interactions` that no rule drops. Each rule's reason is in the report with the number of its rows."""
    rows = _once(interactions) if rules.duplicates else _each(interactions)
    rows = rows.mutate(reason=ibis.null("string"))
    for rule in (_cancellations, _fees, _notes, _bot_devices, _bots, _unsearched):
        rows = rule(rows, rules)
    rows = engine.keep(rows)
    counts = rows.group_by("reason").agg(rows=rows.copies.sum(), distinct=rows.count()).to_pyarrow().to_pylist()
    by_reason: dict[str | None, int] = {row["reason"]: row["rows"] for row in counts}
    by_reason["duplicate"] = sum(row["rows"] - row["distinct"] for row in counts if row["reason"] is None)
    by_reason[None] = by_reason.get(None, 0) - by_reason["duplicate"]
    return Read(rows.filter(rows.reason.isnull()).select(*SCHEMA), count(by_reason, "cleaning"))


def _each(interactions: Table) -> Table:
    return interactions.select(*SCHEMA, copies=ibis.literal(1, "int64"))


def _once(interactions: Table) -> Table:
    """Equal rows once, with the number of their `copies`; rows that nothing tells apart stay, each with one copy.

    Without a time, or without a user and a session, a hundred equal impressions are a hundred, not one that was written again.
    """
    told_apart = interactions.timestamp_ms.notnull() & (interactions.user_id.notnull() | interactions.session_id.notnull())
    known = interactions.filter(told_apart)
    once = known.group_by(list(SCHEMA)).agg(copies=known.count())
    return once.union(_each(interactions.filter(~told_apart)))


def _drop(rows: Table, condition: BooleanScalar, reason: str) -> Table:
    # A row that an earlier rule dropped keeps its reason.
    return rows.mutate(reason=ibis.cases((rows.reason.notnull(), rows.reason), (condition.fill_null(False), reason), else_=None))


def _cancellations(rows: Table, rules: Cleaning) -> Table:
    """Cancellations, and the purchase that each takes back: the latest of the same user, item and quantity that none before it took."""
    if not rules.cancelled_types:
        return rows
    rows = rows.mutate(amount=rows.quantity.abs().coalesce(1.0), cancelled=rows.type.isin(sorted(rules.cancelled_types)))
    groups = rows.filter(rows.cancelled, rows.user_id.notnull()).select(**{f"cancel_{key}": key for key in _PAIRED_BY}).distinct()
    joined = rows.left_join(groups, [rows[key] == groups[f"cancel_{key}"] for key in _PAIRED_BY])
    # Windows sort, so they get only what a cancellation may be about.
    concerned = joined.cancel_user_id.notnull() & (joined.cancelled | joined.type.isin(sorted(rules.cancellable_types)))
    joined = joined.select(*rows.columns, concerned=concerned)
    others = joined.filter(~joined.concerned).mutate(taken_back=ibis.literal(False))
    rows = _taken_back(joined.filter(joined.concerned)).union(others)
    rows = _drop(_drop(rows, rows.cancelled, "cancellation"), rows.taken_back, "purchase taken back")
    return rows.select(*SCHEMA, "copies", "reason")


def _taken_back(orders: Table) -> Table:
    """Purchases and cancellations, with whether a purchase is `taken_back`, as a closing bracket takes the latest open one.

    With +1 for a purchase and -1 for a cancellation, a purchase is taken back if the sum in time falls below what it was just after it. A
    cancellation without a purchase before it only lowers the sums of all rows after it alike. Rows without a time come first, and at
    one moment purchases do; the other columns make the order, and so the purchase that is taken, the same at every run.
    """
    ties = [ibis.asc(name, nulls_first=True) for name in SCHEMA if name not in (*_PAIRED_BY, "timestamp_ms")]
    order = [ibis.asc("timestamp_ms", nulls_first=True), ibis.asc("cancelled"), *ties]
    # Both sums must see one order, also of equal rows.
    placed = orders.mutate(place=ibis.row_number().over(group_by=_PAIRED_BY, order_by=order))
    step = placed.cancelled.ifelse(-1, 1).cast("int64")
    placed = placed.mutate(open=step.sum().over(group_by=_PAIRED_BY, order_by="place", rows=(None, 0)))
    lowest = placed.open.min().over(group_by=_PAIRED_BY, order_by="place", rows=(0, None))
    return placed.mutate(taken_back=~placed.cancelled & (lowest < placed.open)).drop("place", "open")


def _fees(rows: Table, rules: Cleaning) -> Table:
    if rules.item_pattern is None:
        return rows
    return _drop(rows, ~rows.item_id.re_search(rules.item_pattern), "not an item")


def _notes(rows: Table, rules: Cleaning) -> Table:
    """Names that are notes: without a letter, or of a note's words while the item usually has another name."""
    if not rules.notes:
        return rows
    named = rows.filter(rows.name.notnull()).group_by(["item_id", "name"]).agg(uses=lambda t: t.copies.sum())
    order = [named.uses.desc(), named.name.asc()]
    usual = named.mutate(place=ibis.row_number().over(group_by="item_id", order_by=order)).filter(lambda t: t.place == 0)
    usual = usual.select(usual_item="item_id", usual_name="name")
    joined = rows.left_join(usual, rows.item_id == usual.usual_item)
    unusual = joined.name.re_search(rules.note_pattern) & (joined.name != joined.usual_name)
    note = unusual | ~joined.name.re_search(r"\p{L}")
    return _drop(joined, note, "note instead of an item's name").select(*SCHEMA, "copies", "reason")


def _bot_devices(rows: Table, rules: Cleaning) -> Table:
    if rules.bot_device_pattern is None:
        return rows
    return _drop(rows, rows.device.re_search(rules.bot_device_pattern), "bot by its device")


def _bots(rows: Table, rules: Cleaning) -> Table:
    if rules.max_events_per_hour is None:
        return rows
    known = rows.filter(rows.user_id.notnull(), rows.timestamp_ms.notnull())
    hourly = known.group_by("user_id", hour=known.timestamp_ms // _HOUR_MS).agg(events=known.copies.sum())
    bots = hourly.filter(hourly.events > rules.max_events_per_hour).select(bot="user_id").distinct()
    joined = rows.left_join(bots, rows.user_id == bots.bot)
    return _drop(joined, joined.bot.notnull(), "bot by its rate").select(*SCHEMA, "copies", "reason")


def _unsearched(rows: Table, rules: Cleaning) -> Table:
    if not rules.searched_sessions_only:
        return rows
    searched = rows.filter(rows.query.notnull()).select(searched="session_id").distinct()
    joined = rows.left_join(searched, rows.session_id == searched.searched)
    return _drop(joined, joined.searched.isnull() & joined.query.isnull(), "session without a search").select(*SCHEMA, "copies", "reason")
