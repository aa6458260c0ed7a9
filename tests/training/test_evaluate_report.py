"""From judged files and model directories to a report: figures that agree with each other, files that others can read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ir_measures
import pytest

from sidecar.errors import InvalidModel
from sidecar.fusion import features, fuse
from sidecar.manifest import read_manifest
from tests.training.progress import no_progress
from tests.training.shop import JUDGED, PRODUCTS, write_models, write_shop
from training.evaluate.card import annotate_cards
from training.evaluate.evidence import Plan
from training.evaluate.files import file_names, write, write_trec
from training.evaluate.judged import read_folder
from training.evaluate.run import evaluate_all
from training.evaluate.served import Served
from training.evaluate.setup import Place

PLAN = Plan(window=10, depths=(10, 12), timed_again=2)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


def evaluated(shop: Path, models: Path, folder: Path, *, out: Path | None = None, plan: Plan = PLAN) -> Any:
    chosen = {name: models / name for name in ("plain", "fused")}
    place = Place(None, cache=folder / "cache")
    report, done = evaluate_all(
        [read_folder(shop, "test")],
        place,
        chosen,
        models / "embedder",
        plan,
        labels={"plain": "a mark"},
        relevant_from=2,
        progress=no_progress,
    )
    if out is not None:
        write(out, report, done)
    return report


@pytest.fixture(scope="module")
def out(shop: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    evaluated(shop, models, folder, out=folder)
    return folder


@pytest.fixture(scope="module")
def report(out: Path) -> Any:
    return json.loads((out / "report.json").read_bytes())


def test_every_first_pass_stands_beside_every_model_with_and_without_its_fusion(report: Any) -> None:
    names = [system["name"] for system in report["sets"][0]["full"]["systems"]]

    assert names == ["bm25", "knn", "rrf", "random", "plain", "fused", "fused without similarity", "fused without fusion"]


def test_models_are_compared_with_the_best_first_pass(report: Any) -> None:
    full = report["sets"][0]["full"]
    means = {system["name"]: system["means"]["ndcg@10"] for system in full["systems"]}
    passes = ("bm25", "knn", "rrf", "random")

    assert full["baseline"] == max(passes, key=means.__getitem__)
    for system in full["systems"]:
        if system["difference"]:
            assert system["difference"]["difference"] == pytest.approx(means[system["name"]] - means[full["baseline"]])


def test_the_means_are_those_of_the_values_by_query(report: Any) -> None:
    judged = report["sets"][0]

    for system in judged["full"]["systems"]:
        values = [by_system[system["name"]] for by_system in judged["by_query"].values()]
        assert system["means"]["ndcg@10"] == pytest.approx(sum(values) / len(values))


def test_the_depth_curve_meets_the_table_at_the_window(report: Any) -> None:
    judged = report["sets"][0]
    means = {system["name"]: system["means"]["ndcg@10"] for system in judged["full"]["systems"]}

    for name, curve in judged["depths"].items():
        assert curve["10"] == pytest.approx(means[name])


def test_another_tool_reads_the_run_files_and_finds_the_same_figures(out: Path, report: Any) -> None:
    folder = out / "runs" / report["sets"][0]["name"].lower()
    qrels = list(ir_measures.read_trec_qrels(str(folder / "qrels.txt")))
    measure = ir_measures.nDCG(gains={0: 0, 2: 3, 3: 7}) @ 10

    for system in report["sets"][0]["full"]["systems"]:
        run = ir_measures.read_trec_run(str(folder / f"{system['name'].replace(' ', '-')}.run"))
        assert ir_measures.calc_aggregate([measure], qrels, run)[measure] == pytest.approx(system["means"]["ndcg@10"])


def test_every_system_has_a_run_file_of_its_own() -> None:
    assert file_names(["my model on bm25", "my-model on bm25", "Lampe à", "日本", "my model on bm25"]) == {
        "my model on bm25": "my-model-on-bm25",
        "my-model on bm25": "my-model-on-bm25-2",
        "Lampe à": "lampe",
        "日本": "unnamed",
    }


def test_document_ids_come_back_from_run_files_as_they_were(tmp_path: Path) -> None:
    ids = ["A 1", "A_1", "A%201", "100% wool", "B\u00a02"]
    write_trec(tmp_path, {"bm25": {"lamp": dict.fromkeys(ids, 1.0)}}, {"lamp": dict.fromkeys(ids, 1)}, {"lamp": "lamp"})

    for name, columns in (("bm25.run", 6), ("qrels.txt", 4)):
        lines = [line.split() for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        assert {unquote(line[2]) for line in lines} == set(ids)
        assert {len(line) for line in lines} == {columns}


def test_runs_of_an_earlier_evaluation_do_not_stay_beside_other_queries(tmp_path: Path) -> None:
    for run, query in (("shipped", "lamp"), ("own", "sofa")):
        write_trec(tmp_path, {run: {query: {"a": 1.0}}}, {query: {"a": 1}}, {query: query})
    assert [path.name for path in tmp_path.glob("*.run")] == ["own.run"]


def test_queries_are_numbered_in_run_files_and_named_beside_them(out: Path, report: Any) -> None:
    lines = (out / "runs" / report["sets"][0]["name"].lower() / "queries.tsv").read_text().splitlines()

    assert [line.split("\t")[1] for line in lines] == sorted(JUDGED)


def test_worst_queries_lose_and_best_queries_gain(report: Any) -> None:
    for extremes in report["sets"][0]["extremes"].values():
        assert all(pages["system_ndcg"] < pages["baseline_ndcg"] for pages in extremes["worst"])
        assert all(pages["system_ndcg"] > pages["baseline_ndcg"] for pages in extremes["best"])


def test_pages_show_titles_and_grades(report: Any) -> None:
    pages = [pages for extremes in report["sets"][0]["extremes"].values() for pages in (*extremes["worst"], *extremes["best"])]

    assert pages
    for hit in pages[0]["system"]:
        assert hit["title"] == PRODUCTS[hit["doc_id"]]["title"]
        assert hit["grade"] == JUDGED[pages[0]["query"]][hit["doc_id"]]


def test_every_model_is_timed_at_first_sight_and_some_queries_again(report: Any) -> None:
    for latency in report["sets"][0]["latencies"]:
        assert (latency["first_requests"], latency["known_requests"]) == (len(JUDGED), 2)
        assert 0 < latency["known_median_ms"] <= latency["known_p95_ms"]


def test_the_page_needs_nothing_but_itself(out: Path) -> None:
    page = (out / "report.html").read_text()

    assert "<svg" in page
    assert "a mark" in page
    assert not [word for word in ("<script", "src=", "@import", 'href="http', "<link") if word in page]


def test_but_for_latencies_two_evaluations_are_equal(shop: Path, models: Path, tmp_path: Path, report: Any) -> None:
    evaluated(shop, models, tmp_path, out=tmp_path)
    again = json.loads((tmp_path / "report.json").read_bytes())

    assert [without_latencies(judged) for judged in again["sets"]] == [without_latencies(judged) for judged in report["sets"]]


def without_latencies(judged: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in judged.items() if name != "latencies"}


def test_a_served_models_order_is_the_engines_own(models: Path) -> None:
    documents = list(PRODUCTS.values())
    first_pass = [float(number % 5) for number in range(len(documents))]
    dense = [float(number % 3) for number in range(len(documents))]
    manifest = read_manifest(models / "fused")
    assert manifest.fusion is not None

    with Served({"fused": models / "fused"}) as served:
        scored = served.score("fused", "red shoe", documents, first_pass, dense)
        logits, title, text = zip(*scored.pairs, strict=True)
        columns = features(logits, title_overlap=title, text_overlap=text, first_pass=first_pass, dense=dense)

        assert fuse(manifest.fusion, columns).tolist() == pytest.approx(scored.raw)


def test_vectors_are_computed_once(shop: Path, models: Path, tmp_path: Path) -> None:
    evaluated(shop, models, tmp_path)
    before = (tmp_path / "cache" / "vectors" / "data.mdb").read_bytes()
    evaluated(shop, models, tmp_path)

    assert (tmp_path / "cache" / "vectors" / "data.mdb").read_bytes() == before


def test_an_embedder_among_the_models_is_refused(models: Path) -> None:
    with pytest.raises(InvalidModel, match="--embedder"):
        Served({"x": models / "embedder"})


def test_a_card_says_what_the_report_says(shop: Path, models: Path, tmp_path: Path) -> None:
    report = evaluated(shop, models, tmp_path)
    directory = tmp_path / "fused"
    shutil.copytree(models / "fused", directory)
    annotate_cards(report, {"fused": directory})
    manifest = read_manifest(directory)

    row = report.sets[0].full.row("fused")
    measured = {value for name, value in manifest.quality.items() if name.endswith("rrf's 10 hits re-ranked")}
    assert measured == {round(row.means["ndcg@10"], 4)}
    added = [value for name, value in manifest.quality.items() if name.endswith("minus rrf alone (95 % interval)")]
    assert all(value.startswith(f"{row.difference.difference:+.4f} (") for value in added)
    assert len(added) == (report.sets[0].full.baseline == "rrf")
    assert [name for name in manifest.latency if "documents known" in name]
    assert "hits re-ranked" in (directory / "README.md").read_text()
