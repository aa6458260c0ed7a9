"""The sidecar's side of the contract files; the plugin's Java tests read the same ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.schema import EmbedRequest, EmbedResponse, ErrorResponse, HitsRequest, HitsResponse, parse

HERE = Path(__file__).parent


def read(name: str) -> dict[str, Any]:
    """One contract file."""
    content: dict[str, Any] = json.loads((HERE / name).read_text())
    return content


ANSWERS = {case["name"]: case for case in read("hits_answers.json")["cases"]}
RIGHT = [name for name, case in ANSWERS.items() if case.get("model")]
ERRORS = [name for name, case in ANSWERS.items() if case["status"] >= 400]


def test_the_sidecar_reads_what_the_plugin_writes() -> None:
    wanted = read("hits_request.json")["request"]
    request = parse(json.dumps(wanted).encode(), HitsRequest)
    assert [json.loads(bytes(hit.fields)) for hit in request.hits] == [hit["fields"] for hit in wanted["hits"]]
    assert (request.query, request.user, request.profile) == (wanted["query"], wanted["user"], wanted["profile"])
    assert request.deadline_ms == wanted["deadline_ms"]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_is_one_that_the_sidecar_could_have_sent(name: str) -> None:
    answer = msgspec.json.decode(ANSWERS[name]["body"], type=msgspec.defstruct("Sent", [("scores", list[float]), ("model", str)]))
    read_as = ANSWERS[name].get("read_as")
    sent = msgspec.json.decode(msgspec.json.encode(HitsResponse(answer.scores, answer.model, took_ms=1.0, read_as=read_as)))
    assert sent["scores"] == ANSWERS[name]["scores"]
    assert sent["model"] == ANSWERS[name]["model"]
    assert sent.get("read_as") == read_as


def test_the_sidecar_reads_the_question_for_a_vector_and_could_have_sent_its_answer() -> None:
    example = read("embed.json")
    request = parse(json.dumps(example["request"]).encode(), EmbedRequest)
    assert (request.texts, request.kind, request.profile) == ([example["query"]], "query", example["embedder"])
    assert request.deadline_ms == example["deadline_ms"]
    sent = msgspec.json.decode(msgspec.json.encode(EmbedResponse([example["vector"]], "e5:1", 3)))
    assert sent == json.loads(example["answer"])


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_the_sidecar_s_shape(name: str) -> None:
    assert msgspec.json.decode(ANSWERS[name]["body"], type=ErrorResponse).error.code
