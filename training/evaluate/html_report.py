"""A report -> one HTML file that needs nothing else: the template of this folder with the figures inside it."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from training.evaluate import plots
from training.evaluate.report import Report, SetReport

_TEMPLATE = "report.html.jinja"


def html(report: Report) -> str:
    """The page's text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["signed"] = lambda value: f"{value:+.4f}"
    environment.filters["anchor"] = lambda text: re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    figures = {judged.name: _figures(judged) for judged in report.sets}
    return environment.get_template(_TEMPLATE).render(report=report, figures=figures, verdict=verdict)


def verdict(report: SetReport, system: str) -> str:
    """A model's result in a sentence, from the corrected p-value and the interval."""
    found = next(row for row in report.full.systems if row.name == system)
    if found.difference is None:
        return ""
    difference = found.difference
    interval = f"95 % interval {difference.low:+.4f} to {difference.high:+.4f}, p = {difference.p_corrected:.4f} corrected"
    change = f"{system}: {difference.difference:+.4f} NDCG@10 against {report.full.baseline} ({interval})"
    if difference.p_corrected >= 0.05:
        return f"{change}: no sure difference."
    return f"{change}: {'better' if difference.difference > 0 else 'worse'} than chance explains."


def _figures(report: SetReport) -> dict[str, Markup]:
    if not any(system.model for system in report.full.systems):
        return {}
    # SVG of our own making: nothing of the data's text is in it but names, which matplotlib draws as paths.
    made = {
        "differences": plots.differences(report),
        "depth": plots.depth_curve(report),
        "latency": plots.quality_and_latency(report),
        **{f"gains {system.name}": plots.gains(report, system.name) for system in report.full.models},
    }
    return {name: Markup(_unique(text, f"{report.name} {name}")) for name, text in made.items()}


def _unique(svg: str, name: str) -> str:
    """Ids of several figures in one page must differ."""
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
