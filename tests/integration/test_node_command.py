"""`rerank node` on the node of the tests."""

from __future__ import annotations

import json

from click.testing import CliRunner

from cluster.node import Node, built_plugin
from cluster.service import Service
from scripts.cli import main


def test_status_lists_our_processors(node: Node) -> None:
    result = CliRunner().invoke(main, ["node", "status", "--name", node.name, "--json"])

    status = json.loads(result.stdout)
    assert (result.exit_code, status["version"], status["url"]) == (0, "3.5.0", node.url)
    assert status["processors"] == ["rerank_window", "sidecar_rerank"]
    assert status["plugins"] == ["opensearch-knn", "opensearch-rerank-sidecar"]


def test_a_node_that_does_not_run_has_its_own_exit_code() -> None:
    result = CliRunner().invoke(main, ["node", "status", "--name", "never-started", "--json"])

    assert (result.exit_code, json.loads(result.stdout)["running"]) == (4, False)


def test_a_node_that_runs_as_asked_is_left_alone(node: Node) -> None:
    before = node.daemon.running()

    node.up(built_plugin())

    assert node.daemon.running() == before


def test_a_stack_of_another_name_is_told_with_the_command_that_stops_it(node: Node, sidecar: Service) -> None:
    result = CliRunner().invoke(main, ["up", "--name", node.name, "--port", str(node.port), "--sidecar-port", str(sidecar.port)])

    assert (result.exit_code, f"`rerank down --name {node.name}` stops both" in result.stdout) == (0, True)


def test_a_taken_port_is_refused(node: Node) -> None:
    result = CliRunner().invoke(main, ["node", "up", "--name", "never-started", "--port", str(node.port)])

    assert (result.exit_code, f"port {node.port} is taken" in result.stderr) == (4, True)


def test_stopping_what_does_not_run_is_no_error() -> None:
    result = CliRunner().invoke(main, ["node", "down", "--name", "never-started", "--json"])

    assert (result.exit_code, json.loads(result.stdout)["stopped"]) == (0, False)
