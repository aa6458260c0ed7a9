"""`rerank down`: stop the stack."""

from __future__ import annotations

import click

from cluster.node import Node
from cluster.service import Service
from scripts.output import json_option, print_json
from scripts.up import name_option


@click.command()
@name_option
@json_option
def command(*, name: str, as_json: bool) -> None:
    """Stop the node and the sidecar that `up` and `demo` started; indices stay for the next start.

    \b
    Example: rerank down
    """
    stopped = {"node": Node(name=name).down(), "sidecar": Service(name=name).down()}
    if as_json:
        print_json(stopped)
        return
    for part, was_running in stopped.items():
        click.echo(f"{part}: {'stopped' if was_running else 'was not running'}")
