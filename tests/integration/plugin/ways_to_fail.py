"""The ways in which a sidecar goes wrong: each with what it does, and what the statistics call it."""

from __future__ import annotations

from tests.integration.plugin import stub_sidecar as sidecar

WAYS_TO_FAIL: dict[str, tuple[sidecar.Behaviour, str]] = {
    "answers garbage": (sidecar.garbage, "garbage"),
    "does not speak HTTP": (sidecar.no_http, "unreachable"),
    "cuts the answer off": (sidecar.cut_off, "unreachable"),
    "answers megabytes": (sidecar.oversized, "garbage"),
    "answers too few scores": (sidecar.too_few, "wrong_count"),
    "answers too many scores": (sidecar.too_many, "wrong_count"),
    "answers NaN": (sidecar.not_a_number, "garbage"),  # NaN is no JSON
    "answers infinity": (sidecar.infinite, "not_finite"),
    "answers nulls": (sidecar.null_scores, "garbage"),
    "refuses the request": (sidecar.refusing(422), "rejected"),
    "wants a token": (sidecar.refusing(401), "rejected"),
    "is overloaded": (sidecar.refusing(429), "overloaded"),
    "is not ready": (sidecar.refusing(503), "unavailable"),
    "gives up in time": (sidecar.refusing(504), "deadline"),
    "is not at this address": (sidecar.refusing(404), "sidecar_error"),
    "breaks": (sidecar.refusing(500), "sidecar_error"),
}
WAYS_TO_HANG: dict[str, sidecar.Behaviour] = {
    "hangs": sidecar.hang,
    "hangs in the body": sidecar.hang_in_the_body,
    "answers late": sidecar.late,
}
NOWHERE = "http://127.0.0.1:9"
