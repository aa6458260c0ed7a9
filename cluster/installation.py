"""A server unpacked into a node's folder, with the plugins it is meant to have.

Invariant: `installed.json` says what lies in `home`; it is written last, so a half-made installation is made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cluster.errors import NodeFailed
from cluster.maven import fetch
from cluster.releases import Release
from sidecar.manifest import file_sha256

OUR_PLUGIN = "opensearch-rerank-sidecar"


class Installed(msgspec.Struct, frozen=True):
    """What lies in `home`: the server's version and the sha256 of our plugin's zip (empty: not installed)."""

    version: str
    plugin: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """The server's files below a node's folder."""

    folder: Path
    release: Release
    java_home: Path

    @property
    def home(self) -> Path:
        """The unpacked server."""
        return self.folder / "home"

    def installed(self) -> Installed | None:
        """What lies here now, if it is whole."""
        try:
            return msgspec.json.decode(self._stamp.read_bytes(), type=Installed)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def is_current(self, plugin: Path | None) -> bool:
        """Whether nothing has to be done for this release and this zip of our plugin."""
        return self.installed() == self._wanted(plugin)

    def make_current(self, plugin: Path | None) -> None:
        """Unpack the server and install the plugins, as far as they are not there; the node must be down."""
        if self.is_current(plugin):
            return
        there = self.installed()
        self._stamp.unlink(missing_ok=True)
        if there is None or there.version != self.release.version:
            self._unpack_server()
        elif there.plugin:
            self._run_plugin_tool("remove", OUR_PLUGIN)
        if plugin:
            self._run_plugin_tool("install", "--batch", plugin.absolute().as_uri())
        self._stamp.write_bytes(msgspec.json.encode(self._wanted(plugin)))

    def environment(self) -> dict[str, str]:
        """The variables that the server and its tools run with: nothing of the caller's Java settings gets in."""
        kept: Mapping[str, str] = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        return {**kept, "HOME": str(self.folder), "OPENSEARCH_JAVA_HOME": str(self.java_home)}

    @property
    def _stamp(self) -> Path:
        return self.folder / "installed.json"

    def _wanted(self, plugin: Path | None) -> Installed:
        return Installed(self.release.version, file_sha256(plugin) if plugin else "")

    def _unpack_server(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        downloads = self.folder / "downloads"
        unpack(fetch(self.release.server_artifact, downloads), self.home)
        for artifact in self.release.plugin_artifacts:
            self._run_plugin_tool("install", "--batch", fetch(artifact, downloads).as_uri())
        shutil.rmtree(downloads)

    def _run_plugin_tool(self, *arguments: str) -> None:
        command = [str(self.home / "bin" / "opensearch-plugin"), *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, env=self.environment(), check=False)
        if answer.returncode:
            raise NodeFailed(f"opensearch-plugin {' '.join(arguments)} failed:\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip of one top folder into `folder`, keeping which files may be executed."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            path = Path(zipped.extract(entry, partial))
            mode = entry.external_attr >> 16
            if mode and not entry.is_dir():
                path.chmod(mode & 0o777)
    (top,) = partial.iterdir()
    top.rename(folder)
    partial.rmdir()
