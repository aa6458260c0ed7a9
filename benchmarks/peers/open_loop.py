"""Sends requests at planned moments, whatever becomes of the earlier ones: an open loop, on Locust.

plan.json {"url", "headers", "requests": [{"at_s", "path", "body"}], "timeout_s"} -> Locust's user, its HTTP client and its request
events -> results.jsonl {"at_s", "ms", "status", "error", "applied", "reason"}

Locust's own users are a closed loop: each waits for its answer. Here one user only starts greenlets, one a request, at the planned
moments. Invariant: the time of a request counts from its planned moment, so that a late start is the system's delay and not lost.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.pool
from locust import FastHttpUser, task
from locust.env import Environment

# The section that the plugin adds: whether the page was re-ranked, and why not.
_SECTION = re.compile(rb'"rerank":\{"applied":(true|false)(?:,"reason":"([^"]*)")?')
# A search that nobody waits for any more still holds a connection: more than this many means that the system stands still.
_MOST_IN_FLIGHT = 4000


def send_all(plan: dict[str, Any], results: Any) -> None:
    """Carry the plan out, and write a line a request."""

    class Sender(FastHttpUser):  # type: ignore[misc] # locust is not installed here
        host = plan["url"]
        concurrency = _MOST_IN_FLIGHT
        network_timeout = plan["timeout_s"]
        connection_timeout = plan["timeout_s"]
        max_retries = 0

        @task  # type: ignore[untyped-decorator] # the same
        def send(self) -> None:
            pool = gevent.pool.Pool(_MOST_IN_FLIGHT)
            started = time.perf_counter() + 0.2
            for request in plan["requests"]:
                gevent.sleep(max(0.0, started + request["at_s"] - time.perf_counter()))
                pool.spawn(_send, self.client, plan["headers"], request, started, results)
            pool.join(timeout=plan["timeout_s"] + 5)
            self.environment.runner.quit()

    environment = Environment(user_classes=[Sender])
    runner = environment.create_local_runner()
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()


def _send(client: Any, headers: dict[str, str], request: dict[str, Any], started: float, results: Any) -> None:
    at_s = request["at_s"]
    with client.post(request["path"], data=request["body"], headers=headers, catch_response=True) as answer:
        content = answer.content or b""
        ms = (time.perf_counter() - started - at_s) * 1000
        found = _SECTION.search(content)
        line = {
            "at_s": at_s,
            "ms": ms,
            "status": answer.status_code or 0,
            "error": str(getattr(answer, "error", None) or "")[:200],
            "applied": found is not None and found[1] == b"true",
            "reason": found[2].decode() if found and found[2] else "",
        }
        answer.success()
    results.write(json.dumps(line) + "\n")


def main() -> None:
    """Plan and results by path."""
    plan = json.loads(Path(sys.argv[1]).read_bytes())
    with Path(sys.argv[2]).open("w") as results:
        send_all(plan, results)


if __name__ == "__main__":
    main()
