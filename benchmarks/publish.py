"""Finished runs -> docs/performance.md: the newest tables of each benchmark, word for word, between its marks.

Invariant: a table in the documentation is one that a command printed; quick runs are never published.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from benchmarks.report import FOLDER
from cluster.errors import ClusterError
from cluster.workspace import CHECKOUT

PAGE = CHECKOUT / "docs" / "performance.md"


class _Written(msgspec.Struct, frozen=True):
    name: str
    quick: bool


def publish(page: Path = PAGE, folder: Path = FOLDER) -> tuple[str, ...]:
    """Replace the tables of every benchmark that has a run; the names of those replaced."""
    text = page.read_text()
    newest = newest_runs(folder)
    if not newest:
        raise ClusterError(f"{folder} holds no finished run: measure first")
    for name, run in newest.items():
        text = replaced(text, name, (run / "report.md").read_text())
    page.write_text(text)
    return tuple(newest)


def newest_runs(folder: Path) -> dict[str, Path]:
    """The last run of each benchmark that was no quick one."""
    runs: dict[str, Path] = {}
    for path in sorted(folder.glob("*/report.json"), key=lambda path: path.parent.name.rsplit("-", 2)[-2:]):
        written = msgspec.json.decode(path.read_bytes(), type=_Written)
        if not written.quick:
            runs[written.name] = path.parent
    return runs


def replaced(text: str, name: str, report: str) -> str:
    """The page with a benchmark's report between its marks; raises ClusterError where the page has none."""
    pattern = re.compile(rf"(<!-- bench:{re.escape(name)} -->\n).*?(<!-- /bench:{re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ClusterError(f"the page has no place for {name}: <!-- bench:{name} --> ... <!-- /bench:{name} -->")
    return pattern.sub(lambda found: f"{found[1]}{report}{found[2]}", text)
