"""Artifacts from Maven's repositories, through the Maven that is installed, so a mirror in its settings is used."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from cluster.errors import MissingTool

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def fetch(artifact: str, folder: Path) -> Path:
    """Bring `group:name:version:zip` into a folder; the file's path."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise MissingTool("Maven is not installed: it brings the OpenSearch server and builds the plugin (Debian: apt install maven)")
    folder.mkdir(parents=True, exist_ok=True)
    command = [mvn, "-q", "-B", _COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    # Outside the checkout: in a folder with a pom.xml Maven would read that first.
    answer = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    _, name, version, extension = artifact.split(":")
    path = folder / f"{name}-{version}.{extension}"
    if answer.returncode or not path.exists():
        raise MissingTool(f"Maven did not bring {artifact}:\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}")
    return path
