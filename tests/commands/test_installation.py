"""A server's files: unpacked as they were packed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cluster.errors import MissingTool
from cluster.installation import Installation, unpack
from cluster.node import built_plugin
from cluster.releases import RELEASES, release_of


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip of one top folder with a program and a text."""
    path = tmp_path / "server.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name, mode in (("server-1/bin/run", 0o755), ("server-1/config/a.yml", 0o644)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            zipped.writestr(entry, "text")
    return path


def test_programs_stay_executable_and_texts_do_not_become_so(archive: Path, tmp_path: Path) -> None:
    unpack(archive, tmp_path / "home")

    assert (tmp_path / "home" / "bin" / "run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "home" / "config" / "a.yml").stat().st_mode & 0o777 == 0o644


def test_what_a_cut_off_run_left_is_no_part_of_the_next(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "home.partial" / "old").mkdir(parents=True)

    unpack(archive, tmp_path / "home")

    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["bin", "config"]
    assert not (tmp_path / "home.partial").exists()


def test_a_folder_without_its_stamp_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()

    assert Installation(tmp_path, RELEASES["3.5.0"], tmp_path).installed() is None


def test_an_unknown_release_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MissingTool, match=r"2\.0\.0 is not known.*3\.5\.0"):
        release_of("2.0.0")


def test_a_plugin_that_was_not_built_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="make plugin"):
        built_plugin(tmp_path)
