"""Finished runs -> a page: the newest tables of each command, word for word, between its marks.

Benchmarks go to docs/performance.md, between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; experiments publish by the same code.

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
    place: str = ""


def publish(page: Path = PAGE, folder: Path = FOLDER, mark: str = "bench") -> tuple[str, ...]:
    """Replace the tables of everything that has a run; the names of those replaced. Settings that the page does not show are left out."""
    text = page.read_text()
    newest = {name: run for name, run in newest_runs(folder).items() if _is_shown(text, name, run, mark)}
    if not newest:
        raise ClusterError(f"{folder} holds no finished run: measure first")
    for name, run in newest.items():
        text = replaced(text, name, (run / "report.md").read_text(), mark)
    page.write_text(text)
    return tuple(newest)


def newest_runs(folder: Path) -> dict[str, Path]:
    """The last run of each section that was no quick one."""
    runs: dict[str, Path] = {}
    for path in sorted(folder.glob("*/report.json"), key=lambda path: path.parent.name.rsplit("-", 2)[-2:]):
        written = msgspec.json.decode(path.read_bytes(), type=_Written)
        if not written.quick:
            runs[written.place or written.name] = path.parent
    return runs


def _is_shown(text: str, name: str, run: Path, mark: str) -> bool:
    # Its command's own section must be there; one of other settings may be missing.
    return run.name.startswith(name) or f"<!-- {mark}:{name} -->" in text


def replaced(text: str, name: str, report: str, mark: str = "bench") -> str:
    """The page with a report between its marks; raises ClusterError where the page has none."""
    opening, closing = f"<!-- {mark}:{name} -->", f"<!-- /{mark}:{name} -->"
    pattern = re.compile(rf"({re.escape(opening)}\n).*?({re.escape(closing)})", re.DOTALL)
    if not pattern.search(text):
        raise ClusterError(f"the page has no place for {name}: {opening} ... {closing}")
    return pattern.sub(lambda found: f"{found[1]}{report}{found[2]}", text)
