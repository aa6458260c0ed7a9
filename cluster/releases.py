"""The OpenSearch releases that a node can be made of: the server and its plugins, all of them on Maven Central.

The reference is 3.5.0 with k-NN; 3.8.0 is for compatibility runs (no k-NN zip is published for it).
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.errors import MissingTool

_SERVER = "org.opensearch.distribution.integ-test-zip:opensearch:{version}:zip"
_PLUGIN = "org.opensearch.plugin:{name}:{version}.0:zip"


@dataclass(frozen=True, slots=True)
class Release:
    """One version of OpenSearch and the plugins that are installed into it beside ours."""

    version: str
    plugins: tuple[str, ...] = ()

    @property
    def server_artifact(self) -> str:
        """The server as `group:name:version:zip`."""
        return _SERVER.format(version=self.version)

    @property
    def plugin_artifacts(self) -> tuple[str, ...]:
        """The plugins as `group:name:version:zip`."""
        return tuple(_PLUGIN.format(name=name, version=self.version) for name in self.plugins)


REFERENCE = "3.5.0"
RELEASES = {release.version: release for release in (Release("3.5.0", plugins=("opensearch-knn",)), Release("3.8.0"))}


def release_of(version: str) -> Release:
    """The release of this version; raises MissingTool where it is not one that a node can be made of."""
    if version not in RELEASES:
        raise MissingTool(f"OpenSearch {version} is not known here; known are {', '.join(RELEASES)}")
    return RELEASES[version]
