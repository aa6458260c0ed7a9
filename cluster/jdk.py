"""Finds a JDK that OpenSearch 3 runs on: the variables first, then where JDKs are usually installed.

Invariant: the answer was asked for its version; a folder's name proves nothing. `python -m cluster.jdk` prints it for `make`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cluster.errors import ClusterError, MissingTool

OLDEST = 21
VARIABLES = ("OPENSEARCH_JAVA_HOME", "JAVA_HOME")
USUAL_PLACES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)


def find_jdk(environment: Mapping[str, str] = os.environ, places: Sequence[str] = USUAL_PLACES, *, search_path: str | None = None) -> Path:
    """The home of the first JDK of at least `OLDEST` that is found; raises MissingTool, naming what was seen instead."""
    seen = {}
    for home in _candidates(environment, places, search_path):
        if home in seen:
            continue
        seen[home] = java_version(home)
        if seen[home] >= OLDEST and (home / "bin" / "javac").exists():
            return home
    found = ", ".join(f"{home} (version {version})" for home, version in seen.items() if version) or "none"
    raise MissingTool(f"OpenSearch needs a JDK of version {OLDEST} or newer; set JAVA_HOME to one. Found: {found}")


def java_version(home: Path) -> int:
    """The feature version (17, 21, 25) of a Java home; 0 where there is none."""
    try:
        answer = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return 0
    version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(version[1]) if version else 0


def _candidates(environment: Mapping[str, str], places: Sequence[str], search_path: str | None) -> Iterator[Path]:
    for name in VARIABLES:
        if environment.get(name):
            yield Path(environment[name])
    on_path = shutil.which("javac", path=search_path)
    if on_path:
        yield Path(on_path).resolve().parents[1]
    for place in places:
        pattern = Path(place).expanduser()
        anchor = Path(pattern.anchor)
        yield from sorted(
            (path for path in anchor.glob(str(pattern.relative_to(anchor))) if (path / "bin" / "java").exists()), reverse=True
        )


if __name__ == "__main__":
    try:
        print(find_jdk())
    except ClusterError as error:
        sys.exit(str(error))
