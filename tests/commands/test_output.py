"""What a report says of the command that made it."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scripts.output import given_options, json_option


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
