"""The door to the commands."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cluster.ports import free_port
from scripts.cli import COMMANDS, Door, main
from tests.commands.test_connection import answering


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all commands below this one, without the groups."""
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    return [leaf for name in command.list_commands(context) for leaf in _below(command, context, name, path)]


def _below(group: click.Group, context: click.Context, name: str, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    command = group.get_command(context, name)
    assert command is not None
    return leaves(command, (*path, name))


@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(path)) for path in leaves(main)])
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])

    assert result.exit_code == 0
    assert "Example: rerank " in result.output


def test_the_help_lists_every_command() -> None:
    output = CliRunner().invoke(main, ["--help"]).output

    assert all(name in output for name in COMMANDS)


def test_the_help_imports_no_command() -> None:
    program = "import sys, scripts.cli; scripts.cli.main(['--help'], standalone_mode=False); print(sorted(sys.modules))"

    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "'torch'" not in modules
    assert "'opensearchpy'" not in modules
    assert "'scripts.demo'" not in modules


def test_a_library_that_is_not_installed_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: x")
    program = "import sys; sys.modules['torch'] = None; import scripts.cli; scripts.cli.main(sys.argv[1:])"

    ended = subprocess.run(
        [sys.executable, "-c", program, "train", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 3
    assert "error: torch is not installed" in ended.stderr
    assert "make env" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_cluster_that_does_not_answer_ends_with_its_own_exit_code() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    result = CliRunner().invoke(main, ["pipelines", "get", "--url", url])

    assert result.exit_code == 4
    assert f"no OpenSearch answers at {url}" in result.output


def test_an_unknown_mapping_is_wrong_usage_and_names_the_known_ones() -> None:
    result = CliRunner().invoke(main, ["index", __file__, "--mapping", "nothing"])

    assert result.exit_code == 2
    assert "content, products" in result.output


def test_a_field_without_a_source_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["index", __file__, "--field", "title"]).exit_code == 2


def test_a_source_that_is_given_twice_is_wrong_usage_and_named() -> None:
    result = CliRunner().invoke(main, ["index", __file__, "--field", "title=name", "--field", "brand=maker", "--field", "description=name"])

    assert result.exit_code == 2
    assert "name is given more than once (as title, description)" in result.output


def test_a_catalogue_that_cannot_be_read_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl.gz"
    path.write_text('{"id": "p1"}\n')

    with answering() as port:
        result = CliRunner().invoke(main, ["index", str(path), "--no-vectors", "--url", f"http://127.0.0.1:{port}"])

    assert result.exit_code == 6
    assert f"{path} cannot be read" in result.output


@pytest.mark.parametrize("first_pass", ["knn", "rrf"])
def test_a_first_pass_of_vectors_without_vectors_is_refused(first_pass: str, tmp_path: Path) -> None:
    given = ["evaluate", "--no-vectors", "--first-pass", first_pass, "--data", "samples", "--split", "all", "--offline"]
    result = CliRunner().invoke(main, [*given, "--models", "fast=sidecar/models/fast", "--out", str(tmp_path / "report")])

    assert result.exit_code == 2
    assert "need vectors" in result.output


def test_fuse_refuses_them_too_and_whatever_their_order(tmp_path: Path) -> None:
    given = ["fuse", "--first-pass", "bm25", "--first-pass", "knn", "--no-vectors", "--data", "samples", "--offline"]
    result = CliRunner().invoke(main, [*given, "--model", str(tmp_path)])

    assert result.exit_code == 2
    assert "need vectors" in result.output


@pytest.mark.parametrize("url", ["", "http://", "http://h:port", "http://127.0.0.1:99999", "http://[::1", "ftp://127.0.0.1:9200"])
def test_a_url_that_is_no_address_is_a_usage_error(url):
    result = CliRunner().invoke(main, ["pipelines", "get", "--url", url])
    assert (result.exit_code, "expected one like http://host:9200" in result.stderr) == (2, True)


def test_an_empty_index_name_is_a_usage_error():
    result = CliRunner().invoke(main, ["pipelines", "get", "--index", ""])
    assert (result.exit_code, "name an alias or an index" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "--judgments", __file__, "--out", "out"),
        ("fuse", "--judgments", __file__, "--model", "."),
        ("data", "lists", "--judgments", __file__, "--catalogue", __file__, "--out", "out"),
        ("distil", "label", "--catalogue", __file__, "--out", "out"),
        ("pretrain", "--catalogue", __file__, "--out", "out"),
    ],
    ids=lambda command: command[0],
)
def test_a_misspelt_role_is_wrong_usage_and_told_with_the_one_that_is_meant(command):
    result = CliRunner().invoke(main, [*command, "--role", "title=name", "--role", "titel=name"])
    assert result.exit_code == 2
    assert "'--role': 'titel' is no role that models read: did you mean title? The roles are title, brand, color" in result.output


def test_a_role_that_is_near_to_none_is_refused_with_those_that_there_are():
    result = CliRunner().invoke(main, ["distil", "label", "--catalogue", __file__, "--out", "out", "--role", "xyz=name"])
    assert result.exit_code == 2
    assert "'xyz' is no role that models read. The roles are title, brand" in result.output


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(["--index", "shop-*"], id="pattern of indices"),
        pytest.param(["--index", "shop,blog"], id="list of indices"),
        pytest.param(["--pipeline", "rerank-*"], id="pattern of pipelines"),
        pytest.param(["--pipeline", " "], id="blank"),
    ],
)
def test_a_pipeline_needs_a_name_that_means_no_other(given: list[str]) -> None:
    result = CliRunner().invoke(main, ["pipelines", "put", "--url", f"http://127.0.0.1:{free_port()}", *given])

    assert result.exit_code == 2
    assert "cannot name a pipeline" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["data", "lists", "--judgments", "{file}", "--catalogue", "{file}"], id="data lists"),
        pytest.param(["data", "grade", "{file}"], id="data grade"),
        pytest.param(["distil", "grammar"], id="distil grammar"),
        pytest.param(["train", "{file}"], id="train"),
        pytest.param(["evaluate", "--judgments", "{file}"], id="evaluate"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work_begins(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "there.csv"
    file.write_text("query\n")
    given = [each.format(file=file) for each in arguments]

    result = CliRunner().invoke(main, [*given, "--out", str(file / "new")])

    assert result.exit_code == 2
    assert "is a file" in result.output


class Failing(Door):
    """A door whose every command ends with this error."""

    error: Exception

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002 - click's signature
        return click.Command(cmd_name, callback=self._fail)

    def _fail(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(PermissionError(errno.EACCES, "Permission denied", "/srv/runs"), "error: /srv/runs: Permission denied\n", id="rights"),
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), "error: the disk: No space left on device\n", id="disk"),
    ],
)
def test_what_the_machine_refuses_is_told_without_our_own_lines(error: OSError, told: str) -> None:
    door = Failing()
    door.error = error

    result = CliRunner().invoke(door, ["train"])

    assert (result.exit_code, result.output) == (1, told)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["distil", "grammar", "--lists", "0", "--out", "set"], id="no lists"),
        pytest.param(["data", "bench", "--rows", "0"], id="no rows"),
    ],
)
def test_a_command_that_is_to_make_nothing_is_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["up", "--port", "99999"], id="port"),
        pytest.param(["up", "--sidecar-port", "0"], id="sidecar's port"),
        pytest.param(["node", "up", "--port", "99999"], id="node's port"),
        pytest.param(["down", "--name", "../other"], id="name of another folder"),
        pytest.param(["node", "status", "--name", ""], id="no name"),
    ],
)
def test_what_no_stack_can_have_is_refused_before_one_is_stopped_for_it(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2
