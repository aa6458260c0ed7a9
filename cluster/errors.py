"""The error tree of the commands. Every error owns its exit code; `scripts.cli` prints the message and exits with it.

ClusterError 1
├── NoIndex 1            (a name that stands for no index)
├── MissingTool 3        (no JDK, no Maven, no plugin zip: the machine lacks something that the message names)
├── NodeFailed 4         (the node did not come up, or does not answer)
├── ServiceFailed 5      (the sidecar did not come up, or does not answer)
├── InvalidCatalogue 6   (a file that cannot be read as a catalogue, as judgments, as a mapping or as a pipeline)
└── IndexingFailed 7     (documents that the cluster refused)
"""

from __future__ import annotations

# Exit code of a command that did its work but left rows out: neither success nor failure to a script.
EXIT_ROWS_LEFT_OUT = 8


class ClusterError(Exception):
    """Base of the errors that a command may end with; the message says what to do."""

    exit_code = 1


class NoIndex(ClusterError):
    """A name that stands for no index, whichever request found that out."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no index or alias named {name}: name another (--index), or make it (`rerank index FILE --index NAME`)")


class MissingTool(ClusterError):
    """Something that has to be installed or built first."""

    exit_code = 3


class NodeFailed(ClusterError):
    """The OpenSearch node did not start, or does not answer."""

    exit_code = 4


class ServiceFailed(ClusterError):
    """The sidecar did not start, or does not answer."""

    exit_code = 5


class InvalidCatalogue(ClusterError):
    """A catalogue, judgments, mapping or pipeline file that cannot be read."""

    exit_code = 6


class IndexingFailed(ClusterError):
    """The cluster refused documents."""

    exit_code = 7
