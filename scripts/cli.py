"""`rerank`: one door to all commands.

Invariant: a command's module is imported when it is called, so `rerank --help` is quick and an install without torch can serve.
Adding a command is one line in `COMMANDS`.
"""

from __future__ import annotations

import errno
import importlib

import click

from cluster.errors import ClusterError, MissingTool
from sidecar.errors import RerankError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OURS = frozenset({"sidecar", "training", "cluster", "scripts", "benchmarks"})
# name: (module, whose `command` it is; one line for --help)
COMMANDS = {
    "demo": ("scripts.demo", "Show the whole path on this machine: node, sidecar, catalogue, re-ranked pages."),
    "up": ("scripts.up", "Start an OpenSearch node and the sidecar on this machine."),
    "down": ("scripts.down", "Stop what `up` and `demo` started."),
    "node": ("scripts.node", "Start, stop and look at an OpenSearch node on this machine."),
    "index": ("scripts.index", "Index a catalogue behind an alias."),
    "pipelines": ("scripts.pipelines", "Switch re-ranking on and off for an index."),
    "search": ("scripts.search", "Show a query's page without and with re-ranking, side by side."),
    "data": ("scripts.data", "Turn logs and judgments into training sets."),
    "distil": ("scripts.distil", "Make training sets without judgments: labels, generated lists, teachers."),
    "pretrain": ("scripts.pretrain", "Adapt a base model to a catalogue's language."),
    "train": ("scripts.train", "Train the network that a run file describes."),
    "export": ("scripts.export", "Write a trained run as a model directory, gated on what int8 costs."),
    "fuse": ("scripts.fuse", "Fit a model's fusion with the first pass, and keep it where it helps."),
    "evaluate": ("scripts.evaluate", "Measure first passes and models on judged data: quality, certainty, latency."),
    "experiments": ("scripts.experiments", "Try what the papers claim: losses, pre-training, size, quantization, depth, augmentation."),
    "bench": ("scripts.bench", "Measure speed on this machine: peers, end to end, load, scale, training."),
}


class Door(click.Group):
    """Finds commands in `COMMANDS` and turns our errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; our errors end it with their message and exit code."""
        try:
            return super().invoke(ctx)
        except (ClusterError, RerankError) as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(getattr(error, "exit_code", 1))
        except OSError as error:
            # A disk that is full, a folder that belongs to others: what it says names the place, and no line of ours would help.
            if error.filename is None and error.errno not in _FULL:
                raise
            click.echo(f"error: {error.filename or 'the disk'}: {error.strerror}", err=True)
            ctx.exit(ClusterError.exit_code)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in _OURS:
                raise
            # Serving, indexing and searching need neither torch nor the engines for data: `make demo` installs none of them.
            click.echo(
                f"error: {error.name} is not installed: training, data and evaluation need it (make env, or the extra [train])", err=True
            )
            ctx.exit(MissingTool.exit_code)


@click.group(cls=Door)
def main() -> None:
    """Re-rank OpenSearch hits with a small cross-encoder, without any change in the clients.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something to install or build first, 4 OpenSearch, 5 the sidecar,
    6 an unreadable file, 7 the cluster refused documents, 8 done but rows were left out.
    """


if __name__ == "__main__":
    main()
