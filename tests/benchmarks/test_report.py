"""Tables on paper and on disk."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.machine import Machine
from benchmarks.report import Report, Table, write_report

MACHINE = Machine("2026-01-02 03:04 UTC", "a processor", ("avx2",), 2, 24.0, "Linux 6", "3.11.7", "abc", 0.1, {"onnxruntime": "1.31.1"})
TABLE = Table("Times", ("who", "ms"), (("ours", 1.5), ("a peer", None)), ("Lower is better.",))


def test_a_table_is_markdown_with_aligned_columns() -> None:
    assert TABLE.markdown() == (
        "**Times**\n\n| who    | ms   |\n| ------ | ---- |\n| ours   | 1.50 |\n| a peer |      |\n\n- Lower is better."
    )


def test_a_report_names_machine_versions_date_and_settings() -> None:
    text = Report("peers", MACHINE, {"rounds": 3}, (TABLE,)).markdown()

    assert all(fact in text for fact in ("rerank bench peers", "2026-01-02", "a processor", "2 cores", "onnxruntime 1.31.1", "rounds 3"))


def test_a_quick_report_says_that_its_figures_mean_nothing() -> None:
    assert "its figures mean nothing" in Report("peers", MACHINE, {}, (TABLE,), quick=True).markdown()
    assert "its figures mean nothing" not in Report("peers", MACHINE, {}, (TABLE,)).markdown()


def test_a_report_is_written_with_its_samples_and_a_plot(tmp_path: Path) -> None:
    def draw(figure: Figure) -> None:
        figure.add_subplot().plot([1, 2])

    folder = write_report(Report("peers", MACHINE, {}, (TABLE,), samples=[{"ms": 1.5}]), draw, folder=tmp_path, now=0.0)

    assert folder == tmp_path / "peers-19700101-000000"
    assert json.loads((folder / "report.json").read_bytes())["samples"] == [{"ms": 1.5}]
    assert (folder / "report.md").read_text().startswith("`rerank bench peers`")
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
