"""A report's figures as SVG texts, for the HTML page.

Invariant: the same report gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluate.report import SetReport, SystemReport

# Okabe and Ito's colours: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A7A00", "#555555")
_GREY = "#8a8f98"
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#c4c8ce",
    "axes.grid": True,
    "grid.color": "#eceef1",
    "axes.axisbelow": True,
    "xtick.color": "#444",
    "ytick.color": "#444",
    "svg.fonttype": "path",
    "svg.hashsalt": "rerank",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_NDCG = "ndcg@10"
Drawing = Callable[[Axes], None]


def differences(report: SetReport) -> str:
    """Each model's difference to the best first pass with its 95 % interval, full retrieval."""
    models = [system for system in report.full.systems if system.difference is not None]
    return _svg(lambda axes: _draw_differences(axes, models, report.full.baseline), height=max(1.6, 0.7 + 0.34 * len(models)))


def depth_curve(report: SetReport) -> str:
    """NDCG@10 by the number of hits re-ranked, of models as they are served, beside the best first pass."""
    baseline = _means(report)[report.full.baseline]
    curves = {system.name: report.depths[system.name] for system in report.full.models}

    def draw(axes: Axes) -> None:
        axes.axhline(baseline, color=_GREY, linestyle="--", linewidth=1.2, label=f"{report.full.baseline} (first pass)")
        for colour, (name, curve) in zip(_cycle(len(curves)), curves.items(), strict=True):
            axes.plot(list(curve), list(curve.values()), marker="o", markersize=4, color=colour, label=name)
        axes.set_xscale("log")
        ticks = sorted({depth for curve in curves.values() for depth in curve})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("hits re-ranked")
        axes.set_ylabel("NDCG@10")
        # Below the axes, in rows that the figure grows by: several models over several passes would hide the curves.
        axes.figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)

    return _svg(draw, height=2.7 + 0.1 * (len(curves) + 1))


def quality_and_latency(report: SetReport) -> str:
    """Quality beside the median time of a window whose documents are known."""
    quality = {system.model: system.means[_NDCG] for system in reversed(report.full.models)}

    def draw(axes: Axes) -> None:
        axes.axhline(_means(report)[report.full.baseline], color=_GREY, linestyle="--", linewidth=1.2)
        for colour, latency in zip(_cycle(len(report.latencies)), report.latencies, strict=True):
            point = (latency.known_median_ms, quality[latency.model])
            axes.scatter(*point, s=48, color=colour, zorder=3)
            axes.annotate(latency.model, point, xytext=(6, 4), textcoords="offset points", fontsize=8)
        axes.set_xlim(left=0, right=1.2 * max(latency.known_median_ms for latency in report.latencies))
        axes.set_xlabel(f"median ms for {report.window} hits, documents known")
        axes.set_ylabel("NDCG@10")
        axes.margins(y=0.2)

    return _svg(draw)


def gains(report: SetReport, system: str) -> str:
    """Every query's difference to the best first pass, sorted: how many it helps, how many it harms."""
    found = sorted((values[system] - values[report.full.baseline] for values in report.by_query.values()), reverse=True)

    def draw(axes: Axes) -> None:
        colours = [_COLOURS[2] if gain > 0 else _COLOURS[1] for gain in found]
        axes.bar(range(len(found)), found, width=1.0, color=colours)
        axes.axhline(0, color="#666", linewidth=0.8)
        axes.set_xticks([])
        axes.set_xlabel(f"{len(found)} queries: {sum(gain > 0 for gain in found)} better, {sum(gain < 0 for gain in found)} worse")
        axes.set_ylabel("Δ NDCG@10")

    return _svg(draw, height=2.0)


def _draw_differences(axes: Axes, models: Sequence[SystemReport], baseline: str) -> None:
    for row, (colour, system) in enumerate(zip(_cycle(len(models)), models, strict=True)):
        if system.difference is not None:
            axes.plot([system.difference.low, system.difference.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="round")
            axes.scatter([system.difference.difference], [row], color=colour, s=36, zorder=3)
    axes.axvline(0, color="#666", linewidth=1)
    axes.set_yticks(range(len(models)), [system.name for system in models])
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"Δ NDCG@10 to {baseline}, 95 % interval")


def _means(report: SetReport) -> Mapping[str, float]:
    return {system.name: system.means[_NDCG] for system in report.full.systems}


def _cycle(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]


def _svg(draw: Drawing, *, width: float = 5.4, height: float = 2.9) -> str:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    text = written.getvalue()
    return text[text.index("<svg") :]
