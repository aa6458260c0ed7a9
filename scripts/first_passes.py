"""First passes as options name them: `bm25`, `knn`, `rrf`, or a search of the shop's own as NAME=FILE."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cluster.errors import ClusterError
from cluster.search_template import SearchTemplate, read_search_template

Command = Callable[..., None]
FirstPass = str | SearchTemplate
BUILT_IN = ("bm25", "knn", "rrf")
# Names of lines in reports.
TAKEN = (*BUILT_IN, "random")
# It becomes a column, and part of file names.
_NAME = re.compile(r"[\w.-]+")


class FirstPassType(click.ParamType[FirstPass]):
    """One of the ordinary first passes, or NAME=FILE."""

    name = "first pass"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 - click's own names
        return f"[{'|'.join(BUILT_IN)}|NAME=FILE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> FirstPass:
        """The name of an ordinary one, or the template in the file."""
        if isinstance(value, SearchTemplate):
            return value
        text = str(value)
        if text in BUILT_IN:
            return text
        name, equals, path = text.partition("=")
        if not equals:
            self.fail(f"{value!r} is none of {', '.join(BUILT_IN)}; a search of your own is NAME=FILE", param, ctx)
        if not _NAME.fullmatch(name) or name in TAKEN:
            allowed = f"letters, digits, _, - and . but none of {', '.join(TAKEN)}"
            self.fail(f"{name!r} cannot name a search of your own: {allowed}", param, ctx)
        try:
            return read_search_template(name, Path(path))
        except ClusterError as error:
            self.fail(str(error), param, ctx)


def names_of(passes: Sequence[FirstPass]) -> tuple[str, ...]:
    """What each is called in reports."""
    return tuple(each if isinstance(each, str) else each.name for each in passes)


def own_of(passes: Sequence[FirstPass]) -> tuple[SearchTemplate, ...]:
    """The shop's own among them."""
    return tuple(each for each in passes if not isinstance(each, str))


def first_pass_option(meaning: str) -> Callable[[Command], Command]:
    """`--first-pass` of a command that has the options of `scripts.evaluation`; it reaches the command as `first_passes`."""
    return click.option(
        "--first-pass",
        "first_passes",
        multiple=True,
        type=FirstPassType(),
        default=("rrf",),
        show_default=True,
        callback=_sound,
        help=f"{meaning}; repeatable. NAME=FILE is a search template with your clients' own search, for a live node.",
    )


def _sound(context: click.Context, _parameter: click.Parameter, values: tuple[FirstPass, ...]) -> tuple[FirstPass, ...]:
    # Without vectors a default first pass falls back to BM25; one that was asked for must not, in silence.
    asked = context.get_parameter_source("first_passes") is ParameterSource.COMMANDLINE
    names = names_of(values)
    if asked and context.params["no_vectors"] and {"knn", "rrf"} & {*names}:
        raise click.UsageError("--first-pass knn and rrf need vectors: leave them out, or --no-vectors")
    if own_of(values) and context.params["offline"]:
        raise click.UsageError("a search of your own runs on a node: leave --offline out, or --first-pass NAME=FILE")
    if len({*names}) < len(names):
        raise click.UsageError(f"--first-pass names {next(name for name in names if names.count(name) > 1)} twice")
    return values
