"""What a report says of the command that made it."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cluster.compare import Comparison, Hit, Page
from cluster.pages import side_by_side
from scripts.output import given_options, json_option, tables_console


@click.command()
@click.option("--window", "windows", multiple=True, type=int)
@click.option("--factor", default=1.25)
@click.option("--against", default="nothing")
@click.option("--quick/--slow", default=False)
@click.option("--data", type=click.Path(path_type=Path))
@json_option
def command(**_options: object) -> None:
    click.echo(" ".join(given_options()))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], ""),
        (["--window", "10", "--window", "20"], "--window 10 --window 20"),
        (["--factor", "1.5", "--quick"], "--factor 1.5 --quick"),
        (["--against", "a b"], "--against 'a b'"),
        (["--data", "/here", "--json"], ""),
    ],
    ids=["nothing", "repeated", "number and flag", "with a space", "paths and the output's form"],
)
def test_the_options_that_were_given_are_told_as_a_shell_reads_them(given, told):
    assert CliRunner().invoke(command, given).output.strip() == told


def test_titles_are_printed_as_they_are(capsys):
    page = Page((Hit("1", "Lamp [/b] [red] :shoe:"),), 5)
    tables_console().print(side_by_side(Comparison("[bold] lamp", page, page)))
    printed = capsys.readouterr().out
    assert "Lamp [/b] [red] :shoe:" in printed
    assert "[bold] lamp" in printed
