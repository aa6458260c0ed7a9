"""Where the commands keep what they start: `var/` in the checkout, or a folder that an ordinary user can reach.

Invariant: OpenSearch refuses to run as root, so under root all below `nodes` belongs to, and is reachable by, an ordinary user.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SHIPPED_MODELS = CHECKOUT / "sidecar" / "models"
_ACCOUNTS = ("opensearch", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The ordinary user that a node runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of everything that was started, and the account that nodes run as (None: as whoever calls)."""

    folder: Path
    account: Account | None

    def node_folder(self, name: str) -> Path:
        """Where the node of this name lives."""
        return self.folder / "nodes" / name

    def make_node_folder(self, name: str) -> Path:
        """The same, made and reachable by the node's account."""
        folder = self.node_folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        if self.account:
            for path in (self.folder, self.folder / "nodes", folder):
                path.chmod(0o755)
        return folder

    def service_folder(self, name: str) -> Path:
        """Where the sidecar of this name keeps its pid file and log."""
        return self.folder / "services" / name

    def give_to_account(self, folder: Path) -> None:
        """Make the node's account own a folder and all in it; nothing to do where the caller is an ordinary user."""
        if self.account is None:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def default_workspace(checkout: Path = CHECKOUT) -> Workspace:
    """`RERANK_VAR` or `var/` in the checkout; a folder in /var/tmp where the node's account cannot reach that."""
    account = ordinary_account()
    folder = Path(os.environ.get("RERANK_VAR") or checkout / "var").absolute()
    if account and not reachable_by_others(folder):
        digest = hashlib.sha256(str(checkout).encode()).hexdigest()[:12]
        folder = Path("/var/tmp") / f"rerank-{digest}"
    return Workspace(folder, account)


def ordinary_account() -> Account | None:
    """Who a node runs as when root calls; None when the caller is an ordinary user."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in _ACCOUNTS if name in known)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reachable_by_others(path: Path) -> bool:
    """Whether any user may enter every folder above the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())
