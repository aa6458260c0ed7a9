"""docker-compose.yml's services, run from the trees of built images, without an engine; called by build_images.sh in a network of its own.

compose file + image configuration -> environment, user, command, mounts -> chroot -> health checks -> set-up -> searches -> stop.

Invariant: what a service runs with comes from the compose file and its image, never from here. Only what an engine does is done
here: names of services, the read-only root, /tmp and /dev/shm, the user, no privileges. CPU and memory limits are not set; the
peak of memory is printed beside the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
_ENTER = """
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs -o "size=$SHM,nosuid,nodev,noexec,mode=1777" shm "$ROOT/dev/shm"
mount --bind "$HOSTS" "$ROOT/etc/hosts"
for folder in $TMPFS; do mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs "$ROOT$folder"; done
[ -z "$READ_ONLY" ] || mount -o remount,bind,ro "$ROOT"
exec chroot "$ROOT" "$@"
"""


@dataclass(frozen=True)
class Service:
    """One service: its part of the compose file, its image's configuration, and the image's tree."""

    name: str
    compose: dict[str, Any]
    image: dict[str, Any]
    root: Path
    hosts: Path

    def start(self, command: list[str] | None = None, **options: Any) -> subprocess.Popen[str]:
        """Run the service's command, or another in the same surroundings."""
        words = command or [*self.image.get("Entrypoint", []), *self.compose.get("command", self.image["Cmd"])]
        enter = ["unshare", "--mount", "sh", "-ec", _ENTER, "enter", *self._privileges()]
        enter += ["env", "-i", f"--chdir={self.image['WorkingDir']}", *self._environment(), *words]
        mounts = {
            "ROOT": str(self.root),
            "HOSTS": str(self.hosts),
            "SHM": self.compose.get("shm_size", "64m"),
            "TMPFS": " ".join(self.compose.get("tmpfs", [])),
            "READ_ONLY": "yes" if self.compose.get("read_only") else "",
        }
        return subprocess.Popen(enter, env={"PATH": os.environ["PATH"], **mounts}, text=True, **options)

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the service's surroundings to its end."""
        process = self.start(list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output)

    def healthy(self) -> bool:
        """The compose file's own health check."""
        kind, *words = self.compose["healthcheck"]["test"]
        return self.call(*(["sh", "-c", *words] if kind == "CMD-SHELL" else words)).returncode == 0

    def _environment(self) -> list[str]:
        return [*self.image["Env"], *(f"{name}={value}" for name, value in self.compose.get("environment", {}).items())]

    def _privileges(self) -> list[str]:
        user, _, group = self.image["User"].partition(":")
        dropped = ["--bounding-set=-all", "--inh-caps=-all"] if "ALL" in self.compose.get("cap_drop", []) else []
        pinned = ["--no-new-privs"] if "no-new-privileges:true" in self.compose.get("security_opt", []) else []
        return ["setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", *pinned, *dropped]


def main() -> None:
    """Run the stack once; the exit code says whether all of it worked."""
    services = _services()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    running = {name: services[name].start() for name in ("opensearch", "sidecar")}
    for name, process in running.items():
        _wait_healthy(services[name], process)
    sidecar = running["sidecar"].pid
    _check("the sidecar does not run as root", _user(sidecar) != "0", f"uid {_user(sidecar)}")
    written = services["sidecar"].call("sh", "-c", "touch /app/x || touch /opt/venv/x || touch /etc/x")
    _check("the sidecar's root file system is read-only", "Read-only file system" in written.stdout, written.stdout.splitlines()[-1])
    _check_api("http://127.0.0.1:8080")
    for run in ("first", "second"):
        done = services["setup"].start()
        _check(f"the {run} set-up ends with 0", done.wait() == 0, "")
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    _say(f"setup: peak of memory {peak_mb} MiB, limit {services['setup'].compose['mem_limit']}")
    _check_search("http://127.0.0.1:9200")
    off = services["setup"].call("rerank", "pipelines", "off", "--index", "products")
    _check("re-ranking can be switched off from the set-up's image", off.returncode == 0, off.stdout.strip())
    for name, process in running.items():
        _say(f"{name}: peak of memory {_peak_mb(process.pid)} MiB, limit {services[name].compose['mem_limit']}")
    running["sidecar"].send_signal(signal.SIGTERM)
    grace_s = float(services["sidecar"].compose["stop_grace_period"].removesuffix("s"))
    _check("the sidecar stops when asked", running["sidecar"].wait(grace_s) == 0, "")


def _services() -> dict[str, Service]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--configs", type=Path, required=True)
    parser.add_argument("trees", nargs="+", metavar="SERVICE=TREE")
    arguments = parser.parse_args()
    text = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
    compose = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))["services"]
    hosts = arguments.configs / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {os.uname().nodename} {' '.join(compose)}\n")
    trees = dict(tree.split("=", 1) for tree in arguments.trees)
    images = {name: json.loads((arguments.configs / f"{name}.json").read_text())["OCIv1"]["config"] for name in trees}
    return {name: Service(name, compose[name], images[name], Path(tree), hosts) for name, tree in trees.items()}


def _wait_healthy(service: Service, process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    while not service.healthy():
        if process.poll() is not None or time.monotonic() - began > 600:
            _check(f"{service.name} becomes healthy", False, f"exit code {process.poll()}")
        time.sleep(1)
    _check(f"{service.name} becomes healthy", True, f"after {time.monotonic() - began:.0f} s")


def _check_api(url: str) -> None:
    models = requests.get(f"{url}/v1/models", timeout=60).json()["models"]
    _check("/ready answers 200", requests.get(f"{url}/ready", timeout=60).status_code == 200, ", ".join(each["model"] for each in models))
    hits = [{"id": "1", "fields": {"title": "USB-C cable, 2 m"}}, {"id": "2", "fields": {"title": "Oak desk"}}]
    answer = requests.post(f"{url}/v1/hits", json={"query": "usb cable", "hits": hits}, timeout=60).json()
    _check("/v1/hits scores two hits", len(answer.get("scores", [])) == 2, json.dumps(answer))
    vectors = requests.post(f"{url}/v1/embed", json={"texts": ["usb cable"], "kind": "query"}, timeout=60).json()
    _check("/v1/embed gives a vector", len(vectors.get("vectors", [[]])[0]) == vectors.get("dimension"), str(vectors.get("dimension")))


def _check_search(url: str) -> None:
    body = {"query": {"match": {"title": "kestrelle headphones"}}}
    told = requests.post(f"{url}/products/_search", json=body, timeout=60).json()["ext"]["rerank"]
    _check("an unchanged search is re-ranked", told["applied"] is True, json.dumps(told))


def _user(pid: int) -> str:
    return _status(pid, "Uid")


def _peak_mb(pid: int) -> int:
    """Of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(_status(pid, "VmHWM")) // 1024 + sum(_peak_mb(int(child)) for child in children)


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def _check(what: str, holds: bool, detail: str) -> None:
    _say(f"{'ok  ' if holds else 'FAIL'} {what}{f': {detail}' if detail else ''}")
    if not holds:
        sys.exit(1)


def _say(line: str) -> None:
    print(f"[stack] {line}", flush=True)


if __name__ == "__main__":
    main()
