"""Other rerankers' shapes on the same engine, by Flask's test client; tests/sidecar/test_service.py uses the real libraries."""

from __future__ import annotations

import math

import pytest

from sidecar.app import create_app
from sidecar.clients import _document
from sidecar.config import Settings
from sidecar.encoding import TemplateField, TextTemplate
from sidecar.metrics import Metrics
from tests.sidecar.fakes import FakeScorer, make_engine

# The fake scorer adds token ids: shoe 8, red 5, phone 10.
DOCUMENTS = ["red", "phone", "shoe"]


@pytest.fixture
def client():
    return create_app(Settings(max_hits=10), make_engine(FakeScorer()), Metrics()).test_client()


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_results_come_best_first_with_scores_between_0_and_1(client, path):
    results = client.post(path, json={"model": "rerank-v3.5", "query": "red shoe", "documents": DOCUMENTS}).json["results"]
    assert [result["index"] for result in results] == [1, 2, 0]
    assert [result["relevance_score"] for result in results] == pytest.approx([sigmoid(10), sigmoid(8), sigmoid(5)])


def test_top_n_cuts_after_the_order(client):
    results = client.post("/v2/rerank", json={"query": "red", "documents": DOCUMENTS, "top_n": 1}).json["results"]
    assert [result["index"] for result in results] == [1]


def test_documents_are_returned_when_asked_for(client):
    body = {"query": "red", "documents": DOCUMENTS, "return_documents": True, "top_n": 1}
    assert client.post("/v1/rerank", json=body).json["results"][0]["document"] == {"text": "phone"}


def test_a_document_may_be_an_object_of_roles_or_of_text(client):
    body = {"query": "red", "documents": [{"title": "phone"}, {"text": "shoe"}, {"anything": "red", "number": 3}]}
    results = client.post("/v1/rerank", json=body).json["results"]
    assert {result["index"]: result["relevance_score"] for result in results} == pytest.approx(
        {0: sigmoid(10), 1: sigmoid(8), 2: sigmoid(5)}
    )


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"title": "red", "text": "phone"}, {"title": "red", "description": "phone"}),
        ({"text": "a long passage", "year": 2019}, {"year": 2019, "description": "a long passage"}),
        ({"text": "phone", "tags": []}, "phone"),
        ({"title": "red", "description": "shoe", "text": "phone", "sku": "7"}, {"title": "red", "description": "shoe phone"}),
        ({"name": "red", "text": "phone"}, "phone"),
        ({"name": "red", "maker": "blue"}, "red blue"),
        ({"id": 7}, ""),
    ],
)
def test_an_object_loses_neither_its_roles_nor_its_text(document, read):
    template = TextTemplate(tuple(TemplateField(role, 9) for role in ("title", "tags", "year", "description")), 30, 9)
    assert _document(document, template, None) == read


@pytest.mark.parametrize(
    ("chosen", "read"),
    [(["title"], {"title": "red"}), (["title", "body"], {"title": "red", "description": "phone"}), (["body"], "phone"), (["no such"], "")],
)
def test_fields_chosen_by_the_client_are_all_that_is_read(chosen, read):
    template = TextTemplate((TemplateField("title", 9), TemplateField("description", 9)), 30, 9)
    assert _document({"title": "red", "body": "phone", "text": "blue"}, template, chosen) == read


def test_a_template_without_a_description_reads_everything_as_one_text():
    template = TextTemplate((TemplateField("title", 9),), 30, 9)
    assert _document({"title": "red", "text": "phone"}, template, None) == "red phone"


def test_a_model_that_is_a_profile_is_that_profile(client):
    assert client.post("/v1/rerank", json={"query": "red", "documents": ["red"], "model": "fast"}).status_code == 200


def test_errors_have_what_both_vendors_clients_read(client):
    answer = client.post("/v2/rerank", json={"query": "", "documents": ["red"]})
    assert answer.status_code == 422
    assert answer.json["message"] == answer.json["detail"] == "the query is empty"


def test_no_documents_cannot_be_ranked(client):
    assert client.post("/v2/rerank", json={"query": "red", "documents": []}).status_code == 422


def test_texts_are_answered_as_a_bare_array_best_first(client):
    ranks = client.post("/rerank", json={"query": "red", "texts": DOCUMENTS, "truncate": True}).json
    assert [rank["index"] for rank in ranks] == [1, 2, 0]
    assert ranks[0] == {"index": 1, "score": pytest.approx(sigmoid(10))}


def test_flags_that_clients_send_as_null_are_off(client):
    cohere = {"query": "red", "documents": DOCUMENTS, "return_documents": None}
    tei = {"query": "red", "texts": ["shoe"], "raw_scores": None, "return_text": None}
    assert "document" not in client.post("/v2/rerank", json=cohere).json["results"][0]
    assert set(client.post("/rerank", json=tei).json[0]) == {"index", "score"}


def test_raw_scores_are_the_models_logits(client):
    assert client.post("/rerank", json={"query": "red", "texts": ["shoe"], "raw_scores": True}).json[0]["score"] == 8.0


def test_texts_are_returned_when_asked_for(client):
    assert client.post("/rerank", json={"query": "red", "texts": ["shoe"], "return_text": True}).json[0]["text"] == "shoe"


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"query": "red"}, 400, "Validation"),
        ({"query": "red", "texts": []}, 422, "Tokenizer"),
        ({"query": "r", "texts": ["a"] * 11}, 413, "Validation"),
    ],
    ids=["no texts", "empty", "too many"],
)
def test_errors_of_the_tei_shape_have_a_type(client, body, status, kind):
    answer = client.post("/rerank", json=body)
    assert (answer.status_code, answer.json["error_type"]) == (status, kind)
