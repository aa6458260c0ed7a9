"""Folders that an ordinary user's node can live in."""

from __future__ import annotations

from pathlib import Path

from cluster.workspace import Account, Workspace, reachable_by_others


def test_a_closed_folder_above_makes_a_path_unreachable(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert not reachable_by_others(closed / "var")


def test_a_nodes_folders_can_be_entered_by_its_account(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "var", Account("nobody", 65534, 65534))

    folder = workspace.make_node_folder("demo")

    assert all(path.stat().st_mode & 0o005 == 0o005 for path in (folder, folder.parent, workspace.folder))
