"""Known logs keep their own meanings: UBI, Online Retail, MovieLens."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from training.data.cleaning import Cleaning, clean
from training.data.engine import Engine
from training.data.sources import ONLINE_RETAIL_CLEANING, read_movielens, read_online_retail, read_ubi


def ubi(folder: Path, queries: list[dict[str, Any]], events: list[dict[str, Any]]) -> tuple[Path, Path]:
    paths = folder / "queries.json.gz", folder / "events.json"
    paths[0].write_bytes(gzip.compress("\n".join(map(json.dumps, queries)).encode()))
    paths[1].write_text("\n".join(map(json.dumps, events)))
    return paths


def event(query_id: str, kind: str, item: str | None, ordinal: int, **more: Any) -> dict[str, Any]:
    attributes = {"position": {"ordinal": ordinal}, "object": {"object_id": item}, "session_id": "s1"}
    return {
        "action_name": kind,
        "query_id": query_id,
        "client_id": "c1",
        "timestamp": 1717527762025,
        "event_attributes": attributes,
        **more,
    }


@pytest.mark.parametrize(("base", "position"), [(0, 3), (1, 2)])
def test_ubi_events_carry_their_querys_text_and_count_ordinals_from_the_base_given(
    engine: Engine, tmp_path: Path, base: Any, position: int
) -> None:
    queries, events = ubi(
        tmp_path,
        [{"query_id": "q1", "user_query": "red lamp", "client_id": "c1", "query_response_hit_ids": ["b", "a"]}],
        [event("q1", "item_click", "a", 2), event("lost", "item_click", "b", 2, user_id="u9", session_id="s9")],
    )
    found = read_ubi(engine, [queries], [events], ordinal_base=base)
    first, second = found.interactions.order_by("item_id").to_pyarrow().to_pylist()
    assert (first["query"], first["position"], first["type"], first["timestamp_ms"]) == ("red lamp", position, "item_click", 1717527762025)
    assert (first["user_id"], first["session_id"]) == ("c1", "s1")
    assert (second["query"], second["user_id"], second["session_id"]) == (None, "u9", "s9")


def test_a_ubi_query_that_is_written_for_every_page_is_one_query(engine: Engine, tmp_path: Path) -> None:
    asked = {"query_id": "q1", "user_query": "red lamp"}
    queries, events = ubi(tmp_path, [asked, asked, {"query_id": "q2"}], [event("q1", "item_click", "a", 2)])
    found = read_ubi(engine, [queries], [events], ordinal_base=1)
    assert found.reports[0].dropped == {"query_id written again": 1, "no user_query": 1}
    assert found.interactions.count().to_pyarrow().as_py() == 1


def test_ubi_events_about_no_item_are_counted(engine: Engine, tmp_path: Path) -> None:
    queries, events = ubi(tmp_path, [], [event("q1", "brand_filter", None, 2), event("q1", "item_click", "a", 2)])
    queries.write_bytes(gzip.compress(b'{"query_id": "q1", "user_query": "lamp"}\n'))
    assert read_ubi(engine, [queries], [events], ordinal_base=1).reports[1].dropped == {"no event_attributes.object.object_id": 1}


def test_invoices_that_take_goods_back_are_cancellations(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "retail.csv"
    path.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,HEART HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
        "C536366,85123A,HEART HOLDER,-6,2010-12-02 08:26:00,2.55,17850.0,United Kingdom\n"
        "536367,85123A,damaged,-1,2010-12-03 08:26:00,0,,United Kingdom\n"
        "536368,85123A,HEART HOLDER,1,2010-12-03 08:26:00,2.55,17851.0,France\n"
        "536369,POST,POSTAGE,1,2010-12-03 08:26:00,18,17851.0,France\n"
        "536370,85123A,HEART HOLDER,1,2010-12-03 08:26:00,2.55,17852.0,France\n"
        "536371,85123A,had been put aside,1,2010-12-03 08:26:00,0,,France\n"
    )
    read = read_online_retail(engine, [path])
    kinds = [(row["user_id"], row["type"]) for row in read.rows.order_by("session_id").to_pyarrow().to_pylist()]
    bought = [("17851", "purchase"), ("17851", "purchase"), ("17852", "purchase"), (None, "purchase")]
    assert kinds == [("17850", "purchase"), (None, "cancellation"), *bought, ("17850", "cancellation")]
    cleaned = clean(engine, read.rows, ONLINE_RETAIL_CLEANING)
    assert cleaned.report.dropped == {
        "cancellation": 2,
        "purchase taken back": 1,
        "not an item": 1,
        "note instead of an item's name": 1,
    }
    assert cleaned.report.kept == 2


def test_stars_become_likes_and_dislikes(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,10,4.0,964982703\n1,11,3.5,964981247\n")
    first, second = read_movielens(engine, [path]).rows.order_by("item_id").to_pyarrow().to_pylist()
    assert (first["type"], first["quantity"], first["timestamp_ms"]) == ("like", 4.0, 964982703000)
    assert second["type"] == "dislike"


def test_the_real_logs_lose_no_row_in_silence(engine: Engine, real_data: Path) -> None:
    retail = read_online_retail(engine, [real_data / "online-retail" / "online_retail.csv.gz"])
    cleaned = clean(engine, retail.rows, ONLINE_RETAIL_CLEANING)
    assert retail.report.kept == cleaned.report.rows == 541_909
    assert cleaned.report.dropped["cancellation"] == 10_624
    assert cleaned.rows.count().to_pyarrow().as_py() == cleaned.report.kept
    movies = read_movielens(engine, [real_data / "movielens" / "ratings.csv.gz"])
    assert movies.report.kept == 100_836
    found = read_ubi(engine, [real_data / "ubi" / "queries.json.gz"], [real_data / "ubi" / "events.json.gz"], ordinal_base=0)
    assert (found.reports[0].rows, found.reports[1].rows) == (477, 3_563)
    searched = clean(engine, found.interactions, Cleaning(searched_sessions_only=True))
    assert searched.report.dropped.keys() == {"session without a search"}
