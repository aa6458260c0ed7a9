"""`rerank node`: a real OpenSearch node on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from cluster.errors import NodeFailed
from cluster.node import DEFAULT_HEAP, DEFAULT_NAME, DEFAULT_PORT, Node, NodeStatus, built_plugin
from cluster.releases import REFERENCE, RELEASES
from scripts.output import PORT, json_option, print_json, stack_name

name_option = click.option(
    "--name", default=DEFAULT_NAME, show_default=True, callback=stack_name, help="Several nodes may run beside each other."
)


@click.group()
def command() -> None:
    """Start, stop and look at an OpenSearch node on this machine.

    \b
    Example: rerank node up --version 3.8.0 --name newest --port 9201
    """


@command.command()
@name_option
@click.option("--version", type=click.Choice(list(RELEASES)), default=REFERENCE, show_default=True, help="OpenSearch's version.")
@click.option("--port", type=PORT, default=DEFAULT_PORT, show_default=True, help="HTTP port on 127.0.0.1.")
@click.option(
    "--heap",
    help=f"Java heap, as in -Xmx; without it that of the node that runs, else {DEFAULT_HEAP}. Too large: memory the machine lacks.",
)
@click.option(
    "--plugin", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The plugin's zip; default: the one built last."
)
@click.option("--without-plugin", is_flag=True, help="Start OpenSearch without our plugin.")
@json_option
def up(*, name: str, version: str, port: int, heap: str | None, plugin: Path | None, without_plugin: bool, as_json: bool) -> None:
    """Start a node and wait until it is ready; nothing to do where it runs as asked.

    The server comes from Maven Central and lies below var/nodes; its data stays there between runs.

    \b
    Example: rerank node up
    """
    zip_file = None if without_plugin else plugin or built_plugin()
    _show(Node(name=name, version=version, port=port, heap=heap).up(zip_file), as_json)


@command.command()
@name_option
@json_option
def down(name: str, as_json: bool) -> None:
    """Stop a node; its data stays.

    \b
    Example: rerank node down
    """
    stopped = Node(name=name).down()
    if as_json:
        print_json({"name": name, "stopped": stopped})
    else:
        click.echo(f"{name}: {'stopped' if stopped else 'was not running'}")


@command.command()
@name_option
@json_option
def status(name: str, as_json: bool) -> None:
    """What a node says of itself; exit code 4 where it does not run.

    \b
    Example: rerank node status --json
    """
    _show(Node(name=name).status(), as_json)


def _show(status: NodeStatus, as_json: bool) -> None:
    if as_json:
        print_json(status)
    elif status.running:
        click.echo(f"{status.name}: OpenSearch {status.version} at {status.url}, {status.health}")
        click.echo(f"  plugins: {', '.join(status.plugins) or 'none'}")
        click.echo(f"  our processors: {', '.join(status.processors) or 'none'}")
        click.echo(f"  log: {status.log}")
    if not status.running:
        raise NodeFailed(f"the node {status.name} is not running")
