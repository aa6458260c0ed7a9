"""Contestants and workloads -> interleaved rounds -> one table a network file.

Invariant: within a round every contestant scores the same request, one after the other, in an order that changes from round to round,
so that what disturbs the machine for a while disturbs all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.contestants import Answer, Contestant, Session, Unavailable
from benchmarks.report import Cell, Table
from benchmarks.samples import Agreement, agreement, number, paired_ratio, spread
from benchmarks.workloads import Pairs, Workload

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant's answers by workload, round by round; `reason` where it took no part."""

    name: str
    file: str
    answers: Mapping[str, list[Answer]] = field(default_factory=dict)
    resident_mib: float = 0.0
    reason: str = ""

    def times_ms(self, workload: str) -> list[float]:
        """Its time in each round."""
        return [answer.ms for answer in self.answers[workload]]


def hold(contestants: Sequence[Contestant], workloads: Sequence[Workload], *, rounds: int, advance: Advance) -> list[Entry]:
    """Run all rounds; `advance` is told of each request that was scored."""
    with ExitStack() as running:
        sessions: dict[int, Session] = {}
        reasons: dict[int, str] = {}
        for place, contestant in enumerate(contestants):
            try:
                sessions[place] = running.enter_context(contestant.start())
            except Unavailable as error:
                reasons[place] = str(error)
        answers: dict[int, dict[str, list[Answer]]] = {place: {each.name: [] for each in workloads} for place in sessions}
        # The first round is not counted: it pays for what is made once.
        for number_of_round in range(rounds + 1):
            for place in _rotated(list(sessions), number_of_round):
                for workload in workloads:
                    request = workload.requests[number_of_round % len(workload.requests)]
                    answer = _asked(sessions, reasons, place, request)
                    if answer is None:
                        break
                    if number_of_round:
                        answers[place][workload.name].append(answer)
                    advance(1)
        resident = {place: session.resident_mib() for place, session in sessions.items()}
    return [
        Entry(each.name, each.file, {} if place in reasons else answers[place], resident.get(place, 0.0), reasons.get(place, ""))
        for place, each in enumerate(contestants)
    ]


def table(title: str, entries: Sequence[Entry], workloads: Sequence[Workload], notes: Sequence[str] = ()) -> Table:
    """Times, ratios to the first entry, and how each order agrees with that of the first entry on the same file."""
    columns = ["contestant", "file"]
    for workload in workloads:
        columns += [f"{workload.name}, ms", "ratio", "order"]
    rows = [_row(entry, entries, workloads) for entry in entries]
    sizes = ", ".join(
        f"{each.name}: {len(each.requests[0].documents)} documents, {each.mean_tokens:.0f} tokens a pair" for each in workloads
    )
    reasons = [f"{entry.name} on {entry.file} took no part: {entry.reason}" for entry in entries if entry.reason]
    explained = (
        f"{sizes}. Median (quartiles) of the rounds; ratio to the first row, paired by round; order against the first row of its file, "
        "and of that row against the first of all."
    )
    return Table(title, (*columns, "MiB"), tuple(rows), (explained, *notes, *reasons))


def _row(entry: Entry, entries: Sequence[Entry], workloads: Sequence[Workload]) -> tuple[Cell, ...]:
    first = entries[0]
    cells: list[Cell] = [entry.name, entry.file]
    for workload in workloads:
        if entry.reason or first.reason:
            cells += ["-", "-", "-"]
            continue
        ratio = paired_ratio(entry.times_ms(workload.name), first.times_ms(workload.name))
        cells += [str(spread(entry.times_ms(workload.name))), number(ratio.median), order(entry, entries, workload.name)]
    return (*cells, "-" if entry.reason else f"{entry.resident_mib:.0f}")


def order(entry: Entry, entries: Sequence[Entry], workload: str) -> str:
    """The worst agreement over all rounds with the first entry that loads the same file; of that one itself with the first of all."""
    if entry is entries[0]:
        return "reference"
    reference = next(other for other in entries if other.file == entry.file and not other.reason)
    if reference is entry:
        # The first of another file: how far the files themselves agree.
        reference = entries[0]
    compared: list[Agreement] = [
        agreement(mine.scores, theirs.scores) for mine, theirs in zip(entry.answers[workload], reference.answers[workload], strict=True)
    ]
    return str(max(compared, key=lambda each: each.swapped))


def _asked(sessions: dict[int, Session], reasons: dict[int, str], place: int, request: Pairs) -> Answer | None:
    """The contestant's answer; None where it failed now or before."""
    if place in reasons:
        return None
    try:
        return sessions[place].rerank(request)
    except Unavailable as error:
        reasons[place] = str(error)
        return None


def _rotated(places: list[int], turn: int) -> list[int]:
    start = turn % max(1, len(places))
    return places[start:] + places[:start]
