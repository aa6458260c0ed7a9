"""`rerank down`: stop the stack."""

from __future__ import annotations

import click

from cluster.node import Node
from cluster.service import Service
from scripts.output import json_option, print_json


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Stop the node and the sidecar that `up` and `demo` started; indices stay for the next start.

    \b
    Example: rerank down
    """
    stopped = {"node": Node().down(), "sidecar": Service().down()}
    if as_json:
        print_json(stopped)
        return
    for name, was_running in stopped.items():
        click.echo(f"{name}: {'stopped' if was_running else 'was not running'}")
