"""Finding a JDK: asked for its version, never trusted by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import MissingTool
from cluster.jdk import find_jdk


def java_home(folder: Path, version: str, *, compiler: bool = True) -> Path:
    """A folder whose `java` prints a version as a JDK does."""
    (folder / "bin").mkdir(parents=True)
    java = folder / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    java.chmod(0o755)
    if compiler:
        (folder / "bin" / "javac").touch(0o755)
    return folder


def test_opensearchs_own_variable_goes_before_the_general_one(tmp_path: Path) -> None:
    own, general = java_home(tmp_path / "own", "21.0.2"), java_home(tmp_path / "general", "25")

    assert find_jdk({"OPENSEARCH_JAVA_HOME": str(own), "JAVA_HOME": str(general)}, (), search_path="") == own


def test_a_jdk_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    java_home(tmp_path / "jvm" / "java-17", "17.0.15")
    newer = java_home(tmp_path / "jvm" / "java-25", "25.0.1")

    assert find_jdk({"JAVA_HOME": str(tmp_path / "jvm" / "java-17")}, (f"{tmp_path}/jvm/*",), search_path="") == newer


def test_a_runtime_without_a_compiler_is_passed_over(tmp_path: Path) -> None:
    java_home(tmp_path / "jvm" / "jre-25", "25", compiler=False)
    jdk = java_home(tmp_path / "jvm" / "a-jdk-21", "21")

    assert find_jdk({}, (f"{tmp_path}/jvm/*",), search_path="") == jdk


def test_without_a_fit_jdk_the_message_says_what_was_seen(tmp_path: Path) -> None:
    old = java_home(tmp_path / "java-17", "17.0.15")

    with pytest.raises(MissingTool, match=rf"version 21 or newer.*{old} \(version 17\)"):
        find_jdk({"JAVA_HOME": str(old)}, (), search_path="")
