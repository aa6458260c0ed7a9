"""Queries, candidates and teachers without judgments."""

from __future__ import annotations

import gzip

import click
import numpy as np
import pytest
from click.testing import CliRunner

from scripts.distil import _weights, command
from training.batches import TrainingList
from training.distil.label import Sampling, Teacher, label, mix, sample_candidates, standardise
from training.distil.queries import generate_queries, read_queries, words_of
from training.distil.retrievers import Bm25Retriever
from training.distil.score_cache import ScoreCache, network_key
from training.distil.teachers import mix_logits, with_teachers
from training.run_file import DataSpec, LossSpec, ModelSpec, RunFile, write_run_file
from training.training_set import read_lists, write_documents, write_lists

CATALOGUE = {
    f"p{number}": {"title": f"{color} {thing} for home", "brand": "Acme", "color": color, "category": ["Home", thing]}
    for number, (color, thing) in enumerate((c, t) for c in ("red", "blue", "green") for t in ("sofa", "lamp", "desk", "chair", "rug"))
}


def test_queries_repeat_for_the_same_seed():
    assert generate_queries(CATALOGUE, count=20, seed=1) == generate_queries(CATALOGUE, count=20, seed=1)


def test_queries_are_distinct_and_know_their_document():
    made = generate_queries(CATALOGUE, count=30, seed=2, typo=0.0)
    assert len({each.query for each in made}) == len(made)
    assert all(each.doc_id in CATALOGUE for each in made)


def test_a_small_catalogue_gives_fewer_queries_instead_of_searching_for_ever():
    assert 0 < len(generate_queries({"p": {"title": "lamp"}}, count=50, seed=1)) < 50


@pytest.mark.parametrize("name", ["queries.txt", "queries.txt.gz"])
def test_every_line_of_a_query_file_is_a_query_once(tmp_path, name):
    text = "\ufeff#10 envelopes\nred sofa\n\n red sofa \nlamp".encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert read_queries(tmp_path / name) == ["#10 envelopes", "red sofa", "lamp"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("query.csv", "query_id\tquery\tquery_class\n0\tred sofa\tSofas\n1\tlamp\tLamps\n2\tlamp\t\n", ["red sofa", "lamp"]),
        ("asked.csv.gz", 'Query;n\n"lamp; red";3\n', ["lamp; red"]),
        ("queries.tsv", "q00001\tred sofa\nq00002\tlamp\n", ["red sofa", "lamp"]),
        ("plain.csv", "red sofa\nlamp, small\n", ["red sofa", "lamp, small"]),
        ("plain.tsv", "red sofa\nlamp\n", ["red sofa", "lamp"]),
    ],
)
def test_a_table_of_queries_is_read_by_its_column(tmp_path, name, text, found):
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert read_queries(tmp_path / name) == found


def test_a_broken_row_of_a_table_of_queries_is_named(tmp_path):
    (tmp_path / "query.csv").write_text("id,query\n1,lamp\n2,red, sofa\n")
    with pytest.raises(ValueError, match=r"query\.csv:3: 3 cells under 2 columns"):
        read_queries(tmp_path / "query.csv")


def test_bm25_puts_the_document_that_has_all_terms_first():
    scores = Bm25Retriever(CATALOGUE).scores(["blue lamps"])[0]
    assert list(CATALOGUE)[int(scores.argmax())] == "p6"


def test_a_teachers_folder_may_have_an_equals_sign_in_its_name(tmp_path):
    folder = tmp_path / "lr=0.1"
    folder.mkdir()
    assert _weights((str(folder), f"{folder}=2", "bm25=0.5", "e5")) == {str(folder): 2.0, "bm25": 0.5, "e5": 1.0}
    with pytest.raises(click.BadParameter, match="the weight is not a number"):
        _weights(("bm25=much",))


def test_standardised_scores_have_mean_zero_over_their_members():
    scores = np.array([[1.0, 2.0, 3.0, 100.0]], dtype=np.float32)
    members = np.array([[True, True, True, False]])
    assert standardise(scores, members)[0, :3] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])


def test_a_retriever_that_cannot_tell_hits_apart_says_nothing():
    flat = np.ones((1, 4), dtype=np.float32)
    rising = np.array([[0.0, 1.0, 2.0, 3.0]], dtype=np.float32)
    assert mix({"flat": (flat, 5.0), "rising": (rising, 1.0)}, window=4) == pytest.approx(mix({"rising": (rising, 1.0)}, window=4))


def test_candidates_are_distinct_and_hold_the_source():
    scores = np.arange(200, dtype=np.float32)
    chosen = sample_candidates(scores, 5, Sampling(), np.random.default_rng(1))
    assert len(chosen) == len(set(chosen))
    assert 5 in chosen
    assert set(range(192, 200)) <= set(chosen)


def test_a_labelled_list_prefers_the_document_its_query_was_made_from():
    queries = generate_queries(CATALOGUE, count=5, seed=4, typo=0.0)
    lists = list(label(CATALOGUE, queries, {"bm25": Teacher(Bm25Retriever(CATALOGUE), 1.0)}, sampling=Sampling(), seed=1, source="shop"))
    assert [item.query for item in lists] == [query.query for query in queries]
    for item, query in zip(lists, queries, strict=True):
        assert item.teacher is not None
        assert item.teacher[item.doc_ids.index(query.doc_id)] > np.mean(item.teacher)


def test_how_many_queries_are_scored_at_once_changes_nothing():
    queries = generate_queries(CATALOGUE, count=5, seed=4, typo=0.0)
    teachers = {"bm25": Teacher(Bm25Retriever(CATALOGUE), 1.0)}
    together, alone = (
        list(label(CATALOGUE, queries, teachers, sampling=Sampling(), seed=1, source="shop", chunk=chunk)) for chunk in (256, 1)
    )
    assert together == alone


def test_words_keep_their_accents_and_other_alphabets_have_words_too():
    assert words_of("Pokémon (crème_brûlée), Häagen-Dazs 2.5l Café") == ["Pokémon", "crème", "brûlée", "Häagen-Dazs", "2.5l", "Café"]
    assert words_of("чайник 電気ケトル") == ["чайник", "電気ケトル"]
    assert words_of("हिन्दी जूते") == ["हिन्दी", "जूते"]


def test_a_teacher_s_offset_says_nothing():
    assert mix_logits({"a": ((1.0, 3.0), 1.0), "b": ((101.0, 103.0), 1.0)}) == (-1.0, 1.0)


NARROW, WIDE, FLAT = (2.0, 1.0, 0.0), (0.0, 10.0, 20.0), (3.0, 3.0, 3.0)


def deviation(logits):
    return float(np.std(logits))


def test_logits_that_are_centred_alone_are_mixed_by_their_width():
    assert mix_logits({"narrow": (NARROW, 1.0), "wide": (WIDE, 1.0)}) == (-4.5, 0.0, 4.5)


def test_standardised_teachers_of_one_weight_that_disagree_cancel_whatever_their_width():
    assert mix_logits({"narrow": (NARROW, 1.0), "wide": (WIDE, 1.0)}, "standard") == (0.0, 0.0, 0.0)


def test_standardised_teachers_count_by_their_weight():
    mixed = mix_logits({"narrow": (NARROW, 3.0), "wide": (WIDE, 1.0)}, "standard")
    # Three of four say that the first is best, in the scale of (3 x 1 + 1 x 10) / 4.
    assert mixed == pytest.approx((3.25 * 2 / 4, 0.0, -3.25 * 2 / 4), abs=1e-4)


def test_standardised_teachers_that_agree_have_the_mean_of_their_deviations():
    mixed = mix_logits({"narrow": (NARROW, 3.0), "wide": (WIDE[::-1], 1.0)}, "standard")
    assert deviation(mixed) == pytest.approx((3 * deviation(NARROW) + deviation(WIDE)) / 4, abs=1e-4)


@pytest.mark.parametrize("normalise", ["centre", "standard"])
def test_a_teacher_that_cannot_tell_hits_apart_halves_the_mixture(normalise):
    assert mix_logits({"narrow": (NARROW, 1.0), "flat": (FLAT, 1.0)}, normalise) == (0.5, 0.0, -0.5)


@pytest.mark.parametrize("normalise", ["centre", "standard"])
def test_constant_logits_stay_zero(normalise):
    assert mix_logits({"a": (FLAT, 1.0), "b": ((0.1, 0.1, 0.1), 2.0)}, normalise) == (0.0, 0.0, 0.0)


def write_teacher(folder, item, documents, logits, cache):
    """A finished run all of whose logits are known."""
    (folder / "model").mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / "model" / name).write_bytes(folder.name.encode())
    run = RunFile("tiny", ModelSpec("base"), (DataSpec("set"),), {"kl": LossSpec()})
    write_run_file(folder / "run.yaml", run)
    with ScoreCache(cache, network_key(run, folder / "model")) as kept:
        kept.keep([item], documents, [logits])
    return folder


@pytest.fixture
def score(tmp_path):
    """Runs `distil score` with the named teachers, of which one is wide and one narrow: the logits that come out."""
    item, documents = TrainingList("lamp", ("a", "b", "c"), (1.0, 0.0, 0.0)), {doc_id: {"title": doc_id} for doc_id in "abc"}
    write_documents(tmp_path / "set", documents)
    write_lists(tmp_path / "set", [item])
    for name, logits in (("narrow", NARROW), ("wide", WIDE)):
        write_teacher(tmp_path / name, item, documents, logits, tmp_path / "cache")

    def run(*teachers, options=()):
        named = [word for name in teachers for word in ("--teacher", f"{tmp_path / name}=1")]
        folders = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(command, ["score", str(tmp_path / "set"), *named, *options, *folders])
        assert result.exit_code == 0, result.output
        return read_lists(tmp_path / "out")[0].teacher

    return run


def test_several_teachers_are_brought_to_one_scale_unless_told_otherwise(score):
    assert score("narrow", "wide") == (0.0, 0.0, 0.0)
    assert score("narrow", "wide", options=["--normalise", "centre"]) == (-4.5, 0.0, 4.5)


def test_one_teacher_keeps_its_scale(score):
    assert score("wide") == (-10.0, 0.0, 10.0)


def test_a_list_keeps_its_own_teacher_with_its_weight():
    item = TrainingList("q", ("a", "b"), teacher=(1.0, -1.0))
    mixed = with_teachers([item], [([(-1.0, 1.0)], 1.0)], own_weight=3.0)
    assert mixed[0].teacher == (0.5, -0.5)


def test_the_label_command_uses_so_many_of_the_given_queries_as_asked(tmp_path):
    catalogue, queries, out = tmp_path / "shop.jsonl", tmp_path / "queries.txt", tmp_path / "set"
    catalogue.write_text("\n".join(f'{{"id": "{number}", "title": "kettle model {number}"}}' for number in range(12)))
    queries.write_text("steel kettle\nred kettle\nkettle model 3\nsmall kettle")

    arguments = ["label", "--catalogue", catalogue, "--role", "title=title", "--generate", 3, "--teacher", "bm25=1"]
    arguments += ["--cache", tmp_path / "vectors"]
    result = CliRunner().invoke(command, [*map(str, arguments), "--queries", str(queries), "--sample", "2", "--out", str(out)])

    assert result.exit_code == 0, result.output
    given = {"steel kettle", "red kettle", "kettle model 3", "small kettle"}
    assert len(given & {item.query for item in read_lists(out)}) == 2


def run_label(tmp_path, *options, rows=12):
    catalogue = tmp_path / "shop.jsonl"
    catalogue.write_text("\n".join(f'{{"id": "{number}", "title": "kettle model {number}"}}' for number in range(rows)))
    arguments = ["label", "--catalogue", catalogue, "--role", "title=title", "--teacher", "bm25=1", "--out", tmp_path / "set"]
    return CliRunner().invoke(command, [*map(str, [*arguments, "--cache", tmp_path / "vectors", *options])])


def test_an_excluded_query_is_not_labelled_in_any_spelling(tmp_path):
    (tmp_path / "queries.txt").write_text("steel kettle\nSteel-Kettle!\nred kettle")
    (tmp_path / "held-out.txt").write_text("STEEL  kettle\n")
    result = run_label(tmp_path, "--generate", 0, "--queries", tmp_path / "queries.txt", "--exclude", tmp_path / "held-out.txt")
    assert result.exit_code == 0, result.output
    assert [item.query for item in read_lists(tmp_path / "set")] == ["red kettle"]
    assert "given queries: 3 rows, 1 kept\n  dropped 2: named by --exclude" in result.output


def test_an_excluded_query_that_looks_like_a_comment_is_excluded(tmp_path):
    (tmp_path / "queries.txt").write_text("1 kettle\nred kettle")
    (tmp_path / "held-out.txt").write_text("#1 kettle\n")
    result = run_label(tmp_path, "--generate", 0, "--queries", tmp_path / "queries.txt", "--exclude", tmp_path / "held-out.txt")
    assert [item.query for item in read_lists(tmp_path / "set")] == ["red kettle"], result.output


@pytest.mark.parametrize(("script", "said"), [("echo no route >&2; exit 7", "failed (7): no route"), (None, "mvn is not installed")])
def test_a_teacher_that_cannot_be_fetched_ends_with_what_to_do(tmp_path, monkeypatch, script, said):
    (tmp_path / "bin").mkdir()
    if script:
        (tmp_path / "bin" / "mvn").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    result = run_label(tmp_path, "--generate", 3, "--teacher", "e5-small=1")
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Error: the base e5-small cannot be fetched: " in result.output
    assert said in result.output
    assert "HTTPS_PROXY" in result.output


def test_an_empty_catalogue_cannot_be_labelled(tmp_path):
    result = run_label(tmp_path, rows=0)
    assert result.exit_code == 1
    assert "shop.jsonl was read: check --id-column, --preset and --role" in result.output


def test_nothing_to_label_is_refused(tmp_path):
    result = run_label(tmp_path, "--generate", 0)
    assert result.exit_code == 1
    assert "no query is left to label" in result.output
