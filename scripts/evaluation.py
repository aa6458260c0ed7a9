"""What `rerank evaluate` and `rerank fuse` ask alike: which data, which part of it, which embedder, which node."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cluster.workspace import CHECKOUT, SHIPPED_MODELS
from scripts.data_options import role_option
from scripts.first_passes import FirstPass, names_of, own_of
from scripts.judgment_options import JUDGMENT_OPTIONS, judgment_options, judgments_file
from scripts.output import url_option
from sidecar.manifest import FILE_NAME

if TYPE_CHECKING:
    from cluster.served_pages import PipelineName
    from training.evaluate.setup import Place, Selection

Command = Callable[..., None]
_EMBEDDER = SHIPPED_MODELS / "embedder"
_PRESETS = ("esci", "msrd", "samples", "lists")
_SPLITS = ("train", "validation", "test", "all")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The shared options as they were given."""

    data: tuple[Path, ...]
    preset: tuple[str, ...]
    split: tuple[Any, ...]
    judgments: Path | None
    split_file: Path | None
    catalogue: Path | None
    roles: tuple[str, ...]
    id_column: str | None
    query_column: str
    query_id_column: str | None
    doc_column: str
    grade_column: str
    ratings: tuple[str, ...]
    esci_ratings: bool
    queries: Path | None
    limit_queries: int | None
    embedder: Path | None
    no_vectors: bool
    url: str
    index: tuple[str, ...]
    pipeline: str | None
    offline: bool
    cache: Path

    def selection(self) -> Selection:
        """The judged data."""
        from training.data.catalogue import catalogue_columns  # noqa: PLC0415 - pyarrow is slow to import
        from training.evaluate.judged import OwnFiles  # noqa: PLC0415
        from training.evaluate.setup import Selection  # noqa: PLC0415

        if self.catalogue is not None and self.judgments is None:
            raise click.UsageError("--catalogue goes with --judgments: name the file with the grades too")
        if self.split_file is not None and self.judgments is None:
            raise click.UsageError("--split-file names the parts of --judgments: folders of --data have their own split")
        if self.queries is not None and self.judgments is None:
            raise click.UsageError("--queries holds the texts of --judgments that are TREC qrels: name the qrels too")
        if self.preset and not self.data:
            raise click.UsageError("--preset says what a folder of --data holds: name the columns of your own --catalogue by --role")
        own = None
        if self.judgments is not None:
            try:
                columns = catalogue_columns(None, self.roles, self.id_column)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint="--role") from error
            judgments = judgments_file(self.judgments, {name: getattr(self, name) for name in JUDGMENT_OPTIONS})
            own = OwnFiles(judgments, self.catalogue, columns, self.split_file)
        return Selection(self.data, self.preset, self.split, own, self.limit_queries)

    def place(self, first_passes: Sequence[FirstPass], served: Sequence[PipelineName] = ()) -> Place:
        """Where the first passes run, which they are, and the pipelines whose pages are measured."""
        from training.evaluate.node import Searches  # noqa: PLC0415
        from training.evaluate.setup import Place  # noqa: PLC0415

        if self.pipeline is not None and self.offline:
            raise click.UsageError("--pipeline says how documents of a node's index are read: leave --offline out, or --pipeline")
        if served and self.offline:
            raise click.UsageError("--served measures pages of a node: leave --offline out, or --served")
        searches = Searches(names_of(first_passes), own_of(first_passes), self.pipeline, tuple(served))
        return Place(None if self.offline else self.url, self.index, self.cache, searches)

    def embedder_directory(self) -> Path | None:
        """The embedder: the one named, else the shipped one where it is there."""
        if self.no_vectors:
            return None
        return self.embedder or (_EMBEDDER if (_EMBEDDER / FILE_NAME).is_file() else None)


def evaluation_options(*, split: str) -> Callable[[Command], Command]:
    """The shared options; they reach the command as one `Chosen`, in the parameter `chosen`."""
    options: list[Callable[[Command], Command]] = [
        click.option("--data", multiple=True, type=_FOLDER, help="A folder of judged data, recognised by its files; repeatable."),
        click.option("--preset", multiple=True, type=click.Choice(_PRESETS), help="What the folder holds, where that is not plain."),
        click.option(
            "--split",
            multiple=True,
            type=click.Choice(_SPLITS),
            default=(split,),
            show_default=True,
            help="Once, or once for each --data; what follows those is of --judgments, which may have several.",
        ),
        click.option("--judgments", type=_FILE, help="Your own judgments: a table, ESCI/Quepid JSON, or TREC qrels."),
        click.option("--split-file", type=_FILE, help="The queries of each part of --judgments, as `rerank data lists --split` read them."),
        click.option("--catalogue", type=_FILE, help="Your own catalogue: JSONL, CSV or TSV. Not needed where a node holds it."),
        role_option,
        click.option("--id-column", default=None, help="The document id in your catalogue; default: id."),
        judgment_options,
        click.option("--limit-queries", type=click.IntRange(1), help="At most so many queries a set, the same ones at every run."),
        click.option("--embedder", type=_FOLDER, help="The embedder's directory; default: the shipped one, where it is there."),
        # Read before --first-pass, whatever their order on the line.
        click.option("--no-vectors", is_flag=True, is_eager=True, help="Words alone: no kNN, no RRF, no dense feature."),
        url_option,
        click.option("--index", multiple=True, help="Once, or per data set. Default: content for msrd, else products."),
        click.option("--pipeline", help="Whose `fields` documents of a node are read by. Default: the index's default pipeline."),
        click.option("--offline", is_flag=True, is_eager=True, help="No node: BM25 and exact neighbours in memory."),
        click.option("--cache", type=click.Path(path_type=Path), default=CHECKOUT / "var" / "evaluate", help="Keeps vectors between runs."),
    ]

    def decorate(function: Command) -> Command:
        # What click noted on the function of its own options goes along.
        @functools.wraps(function)
        def command(**given: Any) -> None:
            function(chosen=Chosen(**{name: given.pop(name) for name in Chosen.__dataclass_fields__}), **given)

        for option in reversed(options):
            option(command)
        return command

    return decorate
