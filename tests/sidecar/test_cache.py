"""The cache is bounded in bytes, and what was used last stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.cache import ENTRY_BYTES, Cache


def cache(entries: int) -> Cache[str]:
    return Cache(entries * (ENTRY_BYTES + 1), len)


def test_a_key_never_put_is_not_known():
    assert cache(2).get_many([b"a"]) == [None]


def test_values_come_in_the_order_of_their_keys():
    kept = cache(3)
    kept.put_many([(b"a", "1"), (b"b", "2")])
    assert kept.get_many([b"b", b"x", b"a"]) == ["2", None, "1"]


def test_the_entry_used_longest_ago_leaves_first():
    kept = cache(2)
    kept.put_many([(b"a", "1"), (b"b", "2")])
    kept.get_many([b"a"])
    kept.put_many([(b"c", "3")])
    assert kept.get_many([b"a", b"b", b"c"]) == ["1", None, "3"]


def test_a_cache_of_no_bytes_keeps_nothing():
    kept: Cache[str] = Cache(0, len)
    kept.put_many([(b"a", "1")])
    assert (len(kept), kept.bytes) == (0, 0)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.text(max_size=400))))
def test_the_bytes_held_never_exceed_the_bound_and_are_those_of_the_entries(items):
    kept: Cache[str] = Cache(2000, len)
    for item in items:
        kept.put_many([item])
        assert kept.bytes <= 2000
    held = [value for value in kept.get_many(list({key for key, _ in items})) if value is not None]
    assert kept.bytes == sum(len(value) + ENTRY_BYTES for value in held)


def test_look_ups_are_counted_with_the_bytes_held():
    seen: list[tuple[int, int, int]] = []
    kept: Cache[str] = Cache(10_000, len, lambda *counts: seen.append(counts))
    kept.put_many([(b"a", "1")])
    kept.get_many([b"a", b"b", b"c"])
    assert seen == [(1, 2, ENTRY_BYTES + 1)]
