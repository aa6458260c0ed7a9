"""The foreign programs' own virtual environments, one folder each below `var/peers`, installed from pinned files with uv.

Invariant: an environment is used only when its stamp, written last, says that it holds exactly what the pinned file asks for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import MissingTool
from cluster.workspace import CHECKOUT
from sidecar.manifest import file_sha256

PINS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment by the name of its pinned file `benchmarks/peers/NAME.txt`."""

    name: str
    folder: Path = CHECKOUT / "var" / "peers"
    pins: Path = PINS

    @property
    def requirements(self) -> Path:
        """The pinned file."""
        return self.pins / f"{self.name}.txt"

    @property
    def home(self) -> Path:
        """Where the environment lies."""
        return self.folder / self.name

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.home / "bin" / "python"

    def is_current(self) -> bool:
        """Whether it holds what the pinned file asks for."""
        return self._stamp.is_file() and self._stamp.read_text() == file_sha256(self.requirements)

    def make_current(self) -> None:
        """Install it, unless it is current; raises MissingTool where uv is missing or cannot install."""
        if self.is_current():
            return
        self._stamp.unlink(missing_ok=True)
        uv = find_uv()
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(self.home)], self.name)
        _run([uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(self.python), "-r", str(self.requirements)], self.name)
        self._stamp.write_text(file_sha256(self.requirements))

    def versions(self) -> dict[str, str]:
        """The pinned versions that a report names, by package."""
        lines = (line.split(";")[0].split("\\")[0].strip() for line in self.requirements.read_text().splitlines())
        return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith(("#", "--")))

    @property
    def _stamp(self) -> Path:
        return self.home / "installed.sha256"


def find_uv() -> str:
    """uv beside this interpreter or on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise MissingTool("uv is missing: `make env` brings it, or `pip install uv`")
    return found


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise MissingTool(f"the environment {name} cannot be installed: {(done.stderr or done.stdout).strip()[-2000:]}")
