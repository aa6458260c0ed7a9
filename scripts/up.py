"""`rerank up`: node and sidecar."""

from __future__ import annotations

import click

from cluster import node as nodes
from cluster import service as services
from cluster.node import Node, NodeStatus, built_plugin
from cluster.service import Service, ServiceStatus
from scripts.output import PORT, json_option, notes, print_json, stack_name

name_option = click.option(
    "--name", default=nodes.DEFAULT_NAME, show_default=True, callback=stack_name, help="Several stacks may run beside each other."
)
port_option = click.option("--port", type=PORT, default=nodes.DEFAULT_PORT, show_default=True, help="OpenSearch's port on 127.0.0.1.")
sidecar_port_option = click.option(
    "--sidecar-port", type=PORT, default=services.DEFAULT_PORT, show_default=True, help="The sidecar's port on 127.0.0.1."
)


@click.command()
@name_option
@port_option
@sidecar_port_option
@json_option
def command(*, name: str, port: int, sidecar_port: int, as_json: bool) -> None:
    """Start an OpenSearch node and the sidecar on this machine; what runs as asked stays.

    \b
    Example: rerank up --port 9200 --sidecar-port 8080
    """
    node, service = start(name, port, sidecar_port)
    if as_json:
        print_json({"node": node, "sidecar": service})
    else:
        named = "" if name == nodes.DEFAULT_NAME else f" --name {name}"
        click.echo(f"OpenSearch {node.version} at {node.url}, the sidecar at {service.url}; `rerank down{named}` stops both")


def start(name: str, port: int, sidecar_port: int) -> tuple[NodeStatus, ServiceStatus]:
    """Both, with a word on each: a first start downloads the server."""
    service = Service(name=name, port=sidecar_port)
    # Told before a node is left running for it.
    service.check_port()
    notes.print("OpenSearch: starting (the first time it is fetched and unpacked) ...")
    node = Node(name=name, port=port).up(built_plugin())
    notes.print(f"OpenSearch {node.version}: {node.url}, plugins {', '.join(node.plugins)}")
    served = service.up()
    notes.print(f"sidecar: {served.url}, models {', '.join(served.models) or 'none'}")
    return node, served
