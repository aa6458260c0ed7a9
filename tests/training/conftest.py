"""An engine for each test, and the real data where this machine has it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.data.engine import Engine, open_engine


@pytest.fixture(autouse=True)
def _warnings_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    # Commands that other tests run set the root logger's level.
    caplog.set_level(logging.WARNING, logger="training")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with open_engine("duckdb", memory_limit="1GB") as opened:
        yield opened


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, from RERANK_DATA or beside the checkout."""
    folder = Path(os.environ.get("RERANK_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}: set RERANK_DATA to test with it")
    return folder
