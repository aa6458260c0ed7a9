"""Settings, read once at start from the environment (`RERANK_*`) and a TOML file (`RERANK_CONFIG`), the environment first.

Invariant: a service that starts has settings within their bounds; nothing reads the environment after this. Every description
says meaning, unit, and what too large a value does: docs/api.md prints them.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

MIB = 1024 * 1024


def _folders(given: object) -> object:
    """One folder or several, as a path of folders is written in the environment."""
    if isinstance(given, str):
        return tuple(Path(part) for part in given.split(os.pathsep) if part)
    return (given,) if isinstance(given, Path) else given


def _path_or_none(given: object) -> object:
    """An empty text is no path: it is what a compose file makes of a variable that is not set, and would mean the working directory."""
    return None if isinstance(given, str) and not given.strip() else given


class Settings(BaseSettings):
    """All settings of the sidecar."""

    model_config = SettingsConfigDict(env_prefix="RERANK_", extra="forbid", frozen=True)

    bind: str = Field(default="127.0.0.1:8080", description="Address and port to listen on. A public address wants a `token`.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes. Too large: each holds its own models and caches, and hit rates fall."
    )
    http_threads: int = Field(
        default=32, ge=1, le=512, description="Requests of one worker in flight. Too large: more switching between threads."
    )
    max_wait_ms: int = Field(
        default=100,
        ge=1,
        le=60_000,
        description="Milliseconds that a ranking may wait for one of those threads before 429. Too large: overload makes all late.",
    )
    keep_alive_s: int = Field(
        default=75, ge=1, le=3600, description="Seconds an idle connection stays open. Too large: idle clients hold connections."
    )
    stall_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="Seconds without a byte until a client is given up. Too large: hung clients hold threads."
    )
    request_timeout_s: float = Field(
        default=30.0, gt=0, le=3600, description="Seconds until all of a request has come. Too large: clients that drip bytes hold threads."
    )
    drain_s: float = Field(
        default=1.0, ge=0, le=300, description="Seconds of serving with `/ready` 503 after SIGTERM. Too large: slow restarts."
    )
    stop_timeout_s: int = Field(
        default=30, ge=1, le=3600, description="Seconds until a stopping worker is killed. Too large: a hung worker lingers."
    )
    max_requests: int = Field(
        default=0,
        ge=0,
        description="Requests until a worker is replaced, 0 for never. Too large: the same as never; too small: cold caches.",
    )
    token: SecretStr | None = Field(
        default=None,
        description="Bearer token that callers must send; none: open to all who reach it. Too large: at most 8 KiB fit a header.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least severe level that is logged.")

    models: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)] = Field(
        default=(Path(__file__).parent / "models",),
        description="Folder with one model directory a profile, named after it; of several (`own:shipped`) the first that has the name.",
    )
    default_profile: str = Field(default="fast", description="Profile of requests that name none.")
    embedder: str = Field(default="", description="Profile that `/v1/embed` uses; empty: the first embedder by name.")
    reload_interval_s: float = Field(
        default=5.0, ge=0, le=3600, description="Seconds between looks for changed models, 0 for never. Too large: new models wait."
    )
    backend: Literal["onnxruntime", "openvino"] = Field(default="onnxruntime", description="Library that runs the graphs.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where ONNX Runtime runs: `cuda` needs `onnxruntime-gpu`.")
    scoring_threads: int = Field(
        default=0, ge=0, le=256, description="Scoring threads of one worker, 0: its share of the cores. Too large: they slow each other."
    )
    max_batch_tokens: int = Field(
        default=256,
        ge=16,
        le=65536,
        description="Tokens of one batch, padding included. Too large: uneven cores, late deadlines, cache misses.",
    )
    max_batch_hits: int = Field(
        default=8, ge=1, le=1024, description="Documents of one batch. Too large: more padding where lengths differ."
    )
    max_backlog_ms: float = Field(
        default=2000, ge=1, description="Milliseconds of estimated work waiting before 429. Too large: answers that are late for all."
    )

    spelling: bool = Field(default=True, description="Read a mistyped word of the query as the word of its hits that is one slip away.")

    max_body_bytes: int = Field(
        default=8 * MIB, ge=1024, description="Bytes of a request body. Too large: memory for each request in flight."
    )
    max_hits: int = Field(default=1000, ge=1, description="Documents of one request. Too large: one request holds all cores for seconds.")
    max_texts: int = Field(
        default=512,
        ge=1,
        description="Texts of one `/v1/embed`, documents of one `/v1/documents`. Too large: one request holds all cores for seconds.",
    )
    default_deadline_ms: float = Field(
        default=5000, gt=0, description="Milliseconds for a request that states no deadline. Too large: slow answers in place of errors."
    )
    embed_deadline_ms: float = Field(
        default=30000,
        gt=0,
        description="Milliseconds for an `/v1/embed` or `/v1/documents` that states no deadline. Too large: slow answers, not errors.",
    )
    max_deadline_ms: float = Field(
        default=60000, gt=0, description="Longest deadline granted, in milliseconds. Too large: work nobody waits for any more."
    )

    score_cache_mb: float = Field(default=64, ge=0, description="MiB of scores kept, 0 for none. Too large: resident memory.")
    document_cache_mb: float = Field(
        default=64,
        ge=0,
        description="MiB of document tokens kept (and a quarter of that for digests), 0 for none. Too large: resident memory.",
    )
    vector_cache_mb: float = Field(default=16, ge=0, description="MiB of query vectors kept, 0 for none. Too large: resident memory.")
    state_cache_mb: float = Field(
        default=64, ge=0, description="MiB of document states kept in memory (decomposed models). Too large: resident memory."
    )
    document_vector_cache_mb: float = Field(
        default=64,
        ge=0,
        description="MiB of document vectors kept in memory, about 1 KiB each, for fusions with similarity. Too large: resident memory.",
    )
    store: Annotated[Path | None, BeforeValidator(_path_or_none)] = Field(
        default=None, description="Directory of the document store (states of decomposed models, vectors of documents); none: memory only."
    )
    store_mb: float = Field(
        default=4096, ge=1, description="MiB on disk of the store's states, and as many of its vectors. Too large: the disk fills."
    )
    store_read_only: bool = Field(default=False, description="Share a store that another process fills.")

    @field_validator("bind")
    @classmethod
    def _has_a_port(cls, bind: str) -> str:
        """An address alone would be listened on at another port, and a port alone be taken for an address."""
        _, colon, port = bind.rpartition(":")
        if not (bind.startswith(("unix:", "fd:")) or (colon and port.isdecimal())):
            raise ValueError("expected address and port, such as 0.0.0.0:8080")
        return bind

    @field_validator("token")
    @classmethod
    def _as_callers_send_it(cls, token: SecretStr | None) -> SecretStr | None:
        """Without the line's end that files and mounted secrets carry."""
        if token is None:
            return None
        text = token.get_secret_value().strip()
        if not text:
            raise ValueError("is empty, which would let everybody in: leave it unset if that is meant")
        return SecretStr(text)

    @model_validator(mode="after")
    def _deadlines_fit(self) -> Settings:
        if max(self.default_deadline_ms, self.embed_deadline_ms) > self.max_deadline_ms:
            raise ValueError("default_deadline_ms and embed_deadline_ms must not exceed max_deadline_ms")
        if self.drain_s >= self.stop_timeout_s:
            raise ValueError("drain_s must be below stop_timeout_s")
        return self

    @model_validator(mode="after")
    def _can_load(self) -> Settings:
        if not self.models:
            raise ValueError("models names no directory: it must name one that holds one model directory a profile")
        for folder in self.models:
            if not folder.is_dir():
                raise ValueError(f"models names {folder}, which is not a directory: it must hold one model directory a profile")
        if self.backend == "openvino" and importlib.util.find_spec("openvino") is None:
            raise ValueError("backend openvino is not installed: pip install 'opensearch-rerank-sidecar[openvino]'")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the file."""
        path = os.environ.get("RERANK_CONFIG")
        if path is None:
            return init_settings, env_settings
        if not Path(path).is_file():
            raise ValueError(f"RERANK_CONFIG names {path}, which is not a file")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    def threads(self) -> int:
        """Scoring threads of one worker."""
        return self.scoring_threads or max(1, available_cores() // self.workers)


def misspelt(environment: Iterable[str]) -> Mapping[str, str]:
    """Variables that are no setting but nearly one -> the setting that was probably meant. Others belong to other programs."""
    known = [f"RERANK_{name.upper()}" for name in Settings.model_fields]
    candidates = {name for name in environment if name.startswith("RERANK_")} - {*known, "RERANK_CONFIG"}
    meant = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.85) for name in sorted(candidates)}
    return {name: found[0] for name, found in meant.items() if found}


def available_cores(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores this process may use: its affinity, or less where a container's quota says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
