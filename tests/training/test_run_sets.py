"""What a run's sets must hold: something that its losses read, and no judgment that validation measures by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.training.tiny import TEMPLATE, make_base, make_set
from training.batches import TokenStore
from training.data.splits import Leakage
from training.networks import load_text_encoder
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile
from training.run_sets import load_data
from training.training_set import read_documents, read_lists, write_documents, write_lists


@pytest.fixture
def store(tmp_path):
    return TokenStore(load_text_encoder(str(make_base(tmp_path / "base")), TEMPLATE))


def run_on(train_set, *validation_sets, losses=("softmax", "kl")):
    sets = tuple(DataSpec(str(folder)) for folder in validation_sets)
    return RunFile("x", ModelSpec("base"), (DataSpec(str(train_set)),), {name: LossSpec() for name in losses}, sets)


def rewritten(folder, change):
    write_lists(folder, [change(item) for item in read_lists(folder)])
    return folder


def test_judged_queries_in_a_train_and_a_validation_set_are_refused_in_any_spelling(tmp_path, store):
    held = rewritten(make_set(tmp_path / "held", lists=7), lambda item: replace(item, query=f"{item.query.upper()}!"))
    with pytest.raises(Leakage, match=r"^7 queries are judged.*'red sofa' \(.*own and .*held\)") as refused:
        load_data(run_on(make_set(tmp_path / "own", lists=7), held), store)
    assert str(refused.value).count(" and ") == 1 + 5


def test_one_document_under_two_ids_leaks_all_the_same(tmp_path, store):
    held = rewritten(make_set(tmp_path / "held"), lambda item: replace(item, doc_ids=tuple(f"other-{doc_id}" for doc_id in item.doc_ids)))
    write_documents(held, {f"other-{doc_id}": fields for doc_id, fields in read_documents(held).items()})
    with pytest.raises(Leakage, match="6 queries"):
        load_data(run_on(make_set(tmp_path / "own"), held), store)


def test_a_query_judged_on_other_documents_is_warned_of_alone(tmp_path, store, caplog):
    held = make_set(tmp_path / "held")
    write_documents(held, {doc_id: {**fields, "title": "wood case"} for doc_id, fields in read_documents(held).items()})
    load_data(run_on(make_set(tmp_path / "own"), held), store)
    assert "6 queries of the validation sets are in train sets too" in caplog.text


def test_a_teachers_lists_may_share_queries_with_validation_and_are_warned_of(tmp_path, store, caplog):
    load_data(run_on(make_set(tmp_path / "own", graded=False, teacher=True), make_set(tmp_path / "held")), store)
    assert "6 queries of the validation sets are in train sets too, without their judgments" in caplog.text


@pytest.mark.parametrize(
    ("loss", "kind", "said"),
    [
        ("kl", {"graded": True}, r"kl \(weight 1\) reads a teacher's logits.*softmax"),
        ("softmax", {"graded": False, "teacher": True}, r"softmax \(weight 1\) reads grades.*kl"),
    ],
    ids=["a teacher's loss on judgments", "a judgments' loss on a teacher's lists"],
)
def test_losses_that_can_read_no_list_are_refused_with_what_they_read(tmp_path, store, loss, kind, said):
    with pytest.raises(ValueError, match=rf"none of the 6 training lists.*{said}"):
        load_data(run_on(make_set(tmp_path / "own", **kind), losses=[loss]), store)


def test_validation_sets_of_one_last_name_are_told_apart_by_their_paths(tmp_path, store):
    own, one, other, third = (make_set(tmp_path / name) for name in ("own", "a/validation", "b/validation", "third"))
    rewritten(one, lambda item: replace(item, query=f"large {item.query}"))
    for held in (other, third):
        rewritten(held, lambda item: replace(item, query=f"small {item.query}"))
    _, validation = load_data(run_on(own, one, other, third), store)
    assert {name: found.lists[0].query for name, found in validation.items()} == {
        str(one): "large red sofa",
        str(other): "small red sofa",
        "third": "small red sofa",
    }


def test_a_validation_set_that_is_given_twice_is_refused(tmp_path, store):
    held = rewritten(make_set(tmp_path / "held"), lambda item: replace(item, query=f"small {item.query}"))
    with pytest.raises(ValueError, match=rf"{held} is named more than once"):
        load_data(run_on(make_set(tmp_path / "own"), held, held), store)


def test_a_loss_without_weight_does_not_count(tmp_path, store):
    run = run_on(make_set(tmp_path / "own"))
    run.losses["softmax"] = LossSpec(0.0)
    with pytest.raises(ValueError, match="nothing would be learnt"):
        load_data(run, store)


def test_a_loss_over_an_order_skips_lists_of_one_grade(tmp_path, store, caplog):
    own = rewritten(make_set(tmp_path / "own"), lambda item: replace(item, grades=(2.0,) * 3) if item.query.startswith("red") else item)
    load_data(run_on(own, losses=["softmax", "bce"]), store)
    assert caplog.messages == ["loss softmax skips 2 of 6 training lists: they hold nothing that it reads"]
    flat = rewritten(make_set(tmp_path / "flat"), lambda item: replace(item, grades=(2.0,) * 3))
    with pytest.raises(ValueError, match=r"softmax \(weight 1\) reads grades, two different ones or more of a list"):
        load_data(run_on(flat, losses=["softmax"]), store)


def test_lists_that_a_loss_skips_are_counted(tmp_path, store, caplog):
    half = rewritten(
        make_set(tmp_path / "own", teacher=True), lambda item: replace(item, teacher=None if item.query.startswith("red") else item.teacher)
    )
    load_data(run_on(half), store)
    assert caplog.messages == ["loss kl skips 2 of 6 training lists: they hold nothing that it reads"]


def renamed(folder, roles):
    documents = {
        doc_id: {roles.get(role, role): value for role, value in fields.items()} for doc_id, fields in read_documents(folder).items()
    }
    write_documents(folder, documents)
    return folder


def test_a_set_of_which_the_template_reads_nothing_is_refused_with_both_sides_roles(tmp_path, store):
    folder = make_set(tmp_path / "own", lists=7)
    there = {role for fields in read_documents(folder).values() for role in fields}
    with pytest.raises(ValueError, match=r"no document of .*own has a role that the template reads: .*titel.*, it reads .*title.*--role"):
        load_data(run_on(renamed(folder, {role: f"x{role}" for role in there} | {"title": "titel"})), store)


def test_roles_that_the_template_does_not_read_are_named_in_a_warning(tmp_path, store, caplog):
    folder = make_set(tmp_path / "own", lists=7)
    documents = {doc_id: {**fields, "titel": "lamp"} for doc_id, fields in read_documents(folder).items()}
    write_documents(folder, documents)
    load_data(run_on(folder), store)
    assert "own have roles that the template does not read: titel" in caplog.text
