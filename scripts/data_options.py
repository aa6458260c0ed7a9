"""How `rerank data` reads its command line: options that commands share, and the settings that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import click

from cluster.roles import check_roles

COLUMNS = ("item", "user", "type", "timestamp", "session", "query-id", "query", "position", "device", "name", "quantity")


def pattern(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A regular expression, checked."""
    try:
        re.compile(value or "")
    except re.error as error:
        raise click.BadParameter(f"{value!r} is no regular expression: {error}") from None
    return value


def moment(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """An ISO date or time -> milliseconds since 1970; UTC where it names no zone."""
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no ISO date or date and time, such as 2024-05-01 or 2024-05-01T12:00:00Z") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def _role_names(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        check_roles(value.partition("=")[0] for value in values if "=" in value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return values


role_option = click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=COLUMN[,COLUMN]",
    callback=_role_names,
    help="Which column or columns of the catalogue make a role of the text template.",
)


def engine_options(function: Callable[..., None]) -> Callable[..., None]:
    """What runs the preparation, and within which memory."""
    engine = click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True, help="What runs it.")
    limit = click.option("--memory-limit", default="4GB", show_default=True, help="DuckDB's memory; beyond it, it spills to disk.")
    return engine(limit(function))


def column_options(function: Callable[..., None]) -> Callable[..., None]:
    """One option for each column of an interaction log."""
    for name in reversed(COLUMNS):
        text = f"The log's column (or dotted JSON path) of the {name.replace('-', ' ')}; `a|b` reads b where a is empty."
        function = click.option(f"--{name}-column", default=None, metavar="NAME", help=text)(function)
    return function


def rules(options: dict[str, Any]) -> Any:
    """The cleaning that the options ask for."""
    from training.data.cleaning import Cleaning  # noqa: PLC0415 - ibis is slow to import

    return Cleaning(
        duplicates=not options["keep_duplicates"],
        item_pattern=options["item_pattern"],
        notes=options["drop_notes"],
        max_events_per_hour=options["max_events_per_hour"] or None,
        searched_sessions_only=options["searched_sessions_only"],
    )


def grading(options: dict[str, Any]) -> Any:
    """What makes a grade of interactions."""
    from training.data.grading import PositionModel  # noqa: PLC0415 - ibis is slow to import
    from training.data.prepare import Grading  # noqa: PLC0415

    model = PositionModel(impression_type=options["impression_type"])
    return Grading(options["by"], dict(numbers(options["weights"])), model)


def list_settings(options: dict[str, Any]) -> Any:
    """How judgments become lists."""
    from training.data.build import ListSettings  # noqa: PLC0415 - ibis is slow to import

    names = ("hard_negatives", "hard_below", "random_negatives", "max_hits", "keep_single_grade", "seed")
    return ListSettings(**{name: options[name] for name in names})


def numbers(pairs: Iterable[str]) -> list[tuple[str, float]]:
    """NAME=NUMBER, each."""
    found = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not of the form NAME=NUMBER")
        found.append((name, number(text)))
    return found


def number(text: str) -> float:
    """A number, or the option is refused."""
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number") from None
