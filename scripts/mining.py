"""How `rerank data lists` mines a live index: its options, and the searches that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cluster.connection import connected
from cluster.errors import ClusterError
from cluster.workspace import SHIPPED_MODELS
from scripts.first_passes import FirstPass, FirstPassType, names_of, own_of
from scripts.output import index_option, progress_bar, url_option
from sidecar.log import configure_logging
from sidecar.manifest import FILE_NAME

if TYPE_CHECKING:
    from training.evaluate.mining import Mining

Command = Callable[..., None]
_EMBEDDER = SHIPPED_MODELS / "embedder"
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
# OpenSearch answers no deeper, unless an index was told to.
_DEEPEST = 10_000


def mining_options(function: Command) -> Command:
    """Which first pass of which index gives hard negatives."""
    options = [
        click.option(
            "--mine",
            type=FirstPassType(),
            help="Search --index at --url for hard negatives; rrf fuses both, NAME=FILE is your clients' own search.",
        ),
        url_option,
        index_option,
        click.option("--mine-depth", default=100, show_default=True, type=click.IntRange(1, _DEEPEST), help="Hits of a query to mine."),
        click.option(
            "--embedder", type=_FOLDER, help="For knn and rrf: the embedder that the index was made with; default: the shipped one."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def check_mining(options: dict[str, Any]) -> None:
    """Raises UsageError where options of mining and of a run meet, or mining could give nothing."""
    if options["mine"] is None:
        context = click.get_current_context()
        for name in ("url", "index", "mine_depth", "embedder"):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name.replace('_', '-')} says how an index is searched for hard negatives: give --mine too")
        return
    if options["run_file"]:
        raise click.UsageError("--mine and --run exclude each other: hard negatives come from an index or from a run file")
    if options["embedder"] and not _needs_vectors(options["mine"]):
        (name,) = names_of([options["mine"]])
        raise click.UsageError(f"--embedder is for --mine knn and rrf, or a search of your own by vectors: {name} reads none")
    depth, below = options["mine_depth"], options["hard_below"]
    if depth <= below:
        raise click.UsageError(f"--mine-depth {depth} leaves no hit below --hard-below {below}: raise the one or lower the other")
    if not options["hard_negatives"]:
        raise click.UsageError("--mine searches for hard negatives, and --hard-negatives 0 wants none: leave one of them out")


@contextmanager
def opened_mining(options: dict[str, Any]) -> Iterator[Mining | None]:
    """The mining that the options ask for, connected for the length of the block; none without `--mine`."""
    if options["mine"] is None:
        yield None
        return
    from training.evaluate.mining import Mining  # noqa: PLC0415 - onnxruntime and ibis are slow to import
    from training.evaluate.node import Node, Searches  # noqa: PLC0415
    from training.evaluate.served import Served  # noqa: PLC0415

    configure_logging("error")
    mined: FirstPass = options["mine"]
    directory = _embedder(options) if _needs_vectors(mined) else None
    with ExitStack() as stack:
        client = stack.enter_context(connected(options["url"]))
        embedder = None if directory is None else stack.enter_context(Served({}, directory))
        (name,) = names_of([mined])
        node = Node(client, options["index"], embedder, Searches((name,), own_of([mined])))
        yield Mining(node, name, progress_bar, options["mine_depth"], options["hard_below"])


def _needs_vectors(mined: FirstPass) -> bool:
    return mined != "bm25" if isinstance(mined, str) else mined.needs_vector


def _embedder(options: dict[str, Any]) -> Path:
    directory: Path = options["embedder"] or _EMBEDDER
    if not (directory / FILE_NAME).is_file():
        (name,) = names_of([options["mine"]])
        raise ClusterError(f"--mine {name} needs an embedder, and {directory} holds none: name one (--embedder), or --mine bm25")
    return directory
