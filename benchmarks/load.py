"""`rerank bench load`: how many searches a second the machine answers in time, and what happens far beyond that.

queries -> arrivals at random moments of a fixed rate (open loop) -> peers/open_loop.py on Locust -> one step of the stairs
rate rises step by step until p99 passes the limit, or pages come back in first-pass order; then ten times the last good rate

Invariant: arrivals do not wait for answers, and a search's time counts from the moment at which it was meant to be sent.
"""

from __future__ import annotations

import random
import resource
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from benchmarks.contestants import resident_mib
from benchmarks.environments import Environment
from benchmarks.samples import percentile
from benchmarks.stack import processor_seconds

GENERATOR = "load tool"
_SAMPLE_S = 0.5
_SLACK_S = 60
# The plugin's word for a search that found nothing: it counts as re-ranked.
_NOTHING_TO_DO = "no_hits"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request and when it is to be sent, in seconds from the step's start."""

    at_s: float
    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Target:
    """What is loaded: a service's address, how a query becomes a request, and the processes whose share is measured, by name."""

    url: str
    path: str
    body: Callable[[str], bytes]
    processes: Mapping[str, psutil.Process]
    # Whether an answer says that it was re-ranked (a search), or every answer with status 200 was (a re-ranker of its own).
    tells: bool = True


class Sent(msgspec.Struct, frozen=True):
    """What became of one request; status 0: no answer."""

    at_s: float
    ms: float
    status: int
    error: str
    applied: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, held for a while. `processor_s` (all used) and `resident_mib` (the most seen) by process."""

    rate: float
    sent: int
    answered: int
    reranked: int
    failed: int
    reasons: Mapping[str, int]
    p50_ms: float
    p90_ms: float
    p99_ms: float
    processor_s: Mapping[str, float]
    resident_mib: Mapping[str, float]

    def per_core(self) -> float:
        """Re-ranked searches per second of processor time, the load tool's left out."""
        used = sum(seconds for name, seconds in self.processor_s.items() if name != GENERATOR)
        return self.reranked / used if used else 0.0

    def holds(self, limit_ms: float) -> bool:
        """Whether the machine bears this rate: p99 within the limit, and 99 of 100 pages re-ranked."""
        return self.p99_ms <= limit_ms and self.reranked >= 0.99 * self.sent


@dataclass(frozen=True, slots=True)
class Stairs:
    """How the rate rises."""

    start: float = 2.0
    factor: float = 1.25
    most_steps: int = 24
    seconds: float = 20.0
    limit_ms: float = 100.0
    overload: float = 10.0
    timeout_s: float = 10.0
    seed: int = 7

    def rates(self) -> Iterator[float]:
        """Each step's rate a second."""
        return (self.start * self.factor**step for step in range(self.most_steps))


@dataclass(frozen=True, slots=True)
class Outcome:
    """All steps up to the first rate that did not hold twice, the last step that did, and the overload."""

    steps: tuple[Step, ...]
    sustained: Step | None
    overload: Step | None = None
    after: Mapping[str, float] = field(default_factory=dict)


def arrivals(rate: float, seconds: float, rng: random.Random) -> list[float]:
    """Moments of independent arrivals (exponential gaps): real searchers do not take turns."""
    moments = []
    at_s = rng.expovariate(rate)
    while at_s < seconds:
        moments.append(at_s)
        at_s += rng.expovariate(rate)
    return moments


def climb(target: Target, queries: Iterator[str], stairs: Stairs, *, told: Callable[[Step], None]) -> Outcome:
    """Raise the rate until it is too high, then send `overload` times the last rate that held."""
    rng = random.Random(stairs.seed)
    steps: list[Step] = []
    for rate in stairs.rates():
        # A rate that fails once is tried again: a short step has few searches, and one disturbance is the p99 of them.
        for _ in range(2):
            step = hold_rate(target, queries, rate, stairs, rng)
            told(step)
            steps.append(step)
            if step.holds(stairs.limit_ms):
                break
        else:
            break
    held = [step for step in steps if step.holds(stairs.limit_ms)]
    if not held or not stairs.overload:
        return Outcome(tuple(steps), held[-1] if held else None)
    overload = hold_rate(target, queries, stairs.overload * held[-1].rate, stairs, rng)
    told(overload)
    after = {name: resident_mib(process) for name, process in target.processes.items()}
    return Outcome(tuple(steps), held[-1], overload, after)


def hold_rate(target: Target, queries: Iterator[str], rate: float, stairs: Stairs, rng: random.Random) -> Step:
    """Send at one rate; the queries go on where the step before ended."""
    moments = arrivals(rate, stairs.seconds, rng)
    planned = [Arrival(at_s, target.path, target.body(query).decode()) for at_s, query in zip(moments, queries, strict=False)]
    if len(planned) < len(moments):
        raise ValueError(f"there are {len(planned)} queries left and the step needs {len(moments)}: use fewer or shorter steps")
    with Watch(target.processes) as watch:
        sent = send(target, planned, stairs.timeout_s)
    return summarize(rate, len(planned), sent, watch=watch, tells=target.tells)


def send(target: Target, planned: Sequence[Arrival], timeout_s: float) -> list[Sent]:
    """Have the load tool carry a plan out."""
    with tempfile.TemporaryDirectory(prefix="rerank-load-") as folder:
        plan, results = Path(folder) / "plan.json", Path(folder) / "results.jsonl"
        headers = {"Content-Type": "application/json"}
        plan.write_bytes(msgspec.json.encode({"url": target.url, "headers": headers, "requests": planned, "timeout_s": timeout_s}))
        limit = planned[-1].at_s + timeout_s + _SLACK_S
        program = Path(__file__).parent / "peers" / "open_loop.py"
        done = subprocess.run(
            [str(Environment("locust").python), str(program), str(plan), str(results)],
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        if done.returncode or not results.is_file():
            raise RuntimeError(f"the load tool failed: {done.stderr.strip()[-500:]}")
        decoder = msgspec.json.Decoder(Sent)
        return [decoder.decode(line) for line in results.read_bytes().splitlines()]


def summarize(rate: float, planned: int, sent: Sequence[Sent], *, watch: Watch, tells: bool) -> Step:
    """A step's figures; percentiles are those of answers, and what was never answered counts as failed."""
    answered = [each for each in sent if each.status == 200]
    waits = [each.ms for each in answered] or [float("inf")]
    reranked = [each for each in answered if each.applied or each.reason == _NOTHING_TO_DO or not tells]
    reasons = Counter(each.reason or "unsaid" for each in answered if tells and not each.applied)
    reasons += Counter(f"status {each.status}" if each.status else "no answer" for each in sent if each.status != 200)
    return Step(
        rate,
        planned,
        len(answered),
        len(reranked),
        planned - len(answered),
        dict(reasons),
        percentile(waits, 50),
        percentile(waits, 90),
        percentile(waits, 99),
        watch.processor_s,
        watch.resident_mib,
    )


class Watch:
    """Measures processes while a block runs: processor seconds used, and the most memory seen."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._before: dict[str, float] = {}
        self.processor_s: dict[str, float] = {}
        self.resident_mib: dict[str, float] = dict.fromkeys(processes, 0.0)

    def __enter__(self) -> Watch:
        self._before = self._used()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.processor_s = {name: used - self._before[name] for name, used in self._used().items()}

    def _used(self) -> dict[str, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = {name: processor_seconds(process) for name, process in self._processes.items()}
        return {**used, GENERATOR: children.ru_utime + children.ru_stime}

    def _sample(self) -> None:
        while True:
            for name, process in self._processes.items():
                self.resident_mib[name] = max(self.resident_mib[name], resident_mib(process))
            if self._stop.wait(_SAMPLE_S):
                return
