"""`rerank pipelines`: re-ranking on and off for an index."""

from __future__ import annotations

from pathlib import Path

import click

from cluster import pipelines
from cluster.connection import connected
from cluster.profiles import check_profile
from cluster.workspace import CHECKOUT
from scripts.output import index_option, json_option, notes, print_json, url_option

# OpenSearch stores names that it then reads as patterns, as lists or as paths: showing or deleting such a one means others, too.
_NO_NAME = frozenset("*,/?#%")


def _own_name(index: str, given: str | None) -> str:
    """What the pipeline is called; raises BadParameter over what could mean several."""
    name = f"rerank-{index}" if given is None else given
    if name.strip() and _NO_NAME.isdisjoint(name) and not any(letter.isspace() for letter in name):
        return name
    one = f"give one name for all indices behind {index}, as --pipeline NAME" if given is None else "give one without these signs"
    raise click.BadParameter(
        f"{name!r} cannot name a pipeline, as it is empty or holds spaces or one of * , / ? # %: {one}", param_hint="--pipeline"
    )


@click.group()
def command() -> None:
    """Switch re-ranking on and off for an index.

    \b
    Example: rerank pipelines put --index products --sidecar http://rerank.internal:8080
    """


@command.command()
@index_option
@url_option
@click.option("--pipeline", help="The pipeline's name; default: rerank-INDEX.")
@click.option("--definition", default="products", show_default=True, help="A name in opensearch/pipelines/ (products, content) or a file.")
@click.option("--sidecar", multiple=True, help="Where the sidecar answers, seen from the cluster's nodes; repeatable.")
@click.option("--deadline-ms", type=click.IntRange(min=1), help="Total deadline. Too large: searchers wait when the sidecar is slow.")
@click.option("--profile", help="The sidecar's profile; default: the sidecar's own default.")
@click.option("--neighbours", metavar="FIELD", help="Documents near the query by this vector field (`vector`) join the window.")
@json_option
def put(
    *,
    index: str,
    url: str,
    pipeline: str | None,
    definition: str,
    sidecar: tuple[str, ...],
    deadline_ms: int | None,
    profile: str | None,
    neighbours: str | None,
    as_json: bool,
) -> None:
    """Store the pipeline and make it the index's default: from now on unchanged searches come back re-ranked.

    The sidecar is asked for its profiles first; where it does not answer this machine, that is said, and the pipeline stored all the same.

    \b
    Example: rerank pipelines put --index products
    """
    name = _own_name(index, pipeline)
    near = {"field": neighbours} if neighbours else None
    overrides = {"url": list(sidecar) or None, "deadline_ms": deadline_ms, "profile": profile, "neighbours": near}
    body = pipelines.read_pipeline(definition_file(definition), {key: value for key, value in overrides.items() if value is not None})
    for urls, named in pipelines.sidecars(body):
        check_profile(urls, named, notes.print)
    with connected(url) as client:
        if neighbours:
            pipelines.check_vectors(client, index, neighbours)
        switched = pipelines.put(client, index, name, body)
    if as_json:
        print_json(switched)
    else:
        click.echo(f"{switched.pipeline} is now the default of {', '.join(switched.indices)}")


@command.command()
@index_option
@url_option
def get(index: str, url: str) -> None:
    """The default pipelines of the index, as JSON.

    \b
    Example: rerank pipelines get --index products
    """
    with connected(url) as client:
        print_json(pipelines.get(client, index))


@command.command()
@index_option
@url_option
@json_option
def off(index: str, url: str, as_json: bool) -> None:
    """Give the index back the default that it had before `put`, and delete the pipeline where no index names it any more.

    \b
    Example: rerank pipelines off --index products
    """
    with connected(url) as client:
        switched = pipelines.off(client, index)
    if as_json:
        print_json(switched)
    elif not switched:
        click.echo(f"{index}: re-ranking was not switched on by `rerank pipelines put`; nothing to do")
    else:
        for each in switched:
            click.echo(_told(each))


def _told(switched: pipelines.Switched) -> str:
    indices = ", ".join(switched.indices)
    if switched.lost:
        gone = ", ".join(switched.lost)
        return f"{indices}: {gone} does not exist, and no default stands in its place: every search would fail with it"
    kept = "deleted" if switched.deleted else "kept: another index names it, or goes back to it"
    return f"{indices}: as before; {switched.pipeline} {kept}"


def definition_file(name: str) -> Path:
    """A file of `opensearch/pipelines/` by its name, or any other by its path."""
    folder = CHECKOUT / "opensearch" / "pipelines"
    shipped = folder / f"{name}.json"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.json")))
        raise click.BadParameter(f"{name} is neither a file nor one of {known}", param_hint="--definition")
    return path
