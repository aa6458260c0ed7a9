"""`python -m sidecar`: the service under gunicorn; arguments are gunicorn's own, all settings come from the environment or file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.wsgiapp import WSGIApplication
from pydantic import ValidationError

from sidecar.config import Settings, misspelt


def main() -> None:
    """Check the settings, then become gunicorn."""
    for name, meant in misspelt(os.environ).items():
        sys.stderr.write(f"{name} is no setting and is ignored: did you mean {meant}?\n")
    try:
        Settings()
    except ValidationError as error:
        sys.exit("\n".join(["the settings are wrong:", *(_told(dict(found)) for found in error.errors())]))
    except ValueError as error:
        sys.exit(f"the settings are wrong: {error}")
    sys.argv[1:1] = ["--config", str(Path(__file__).with_name("gunicorn_conf.py"))]
    WSGIApplication("%(prog)s [OPTIONS]", prog="python -m sidecar").run()


def _told(found: dict[str, Any]) -> str:
    """One mistake by the variable's name and value; the token's value stays out."""
    name = ".".join(map(str, found["loc"])).upper()
    message = str(found["msg"]).removeprefix("Value error, ")
    value = "" if name == "TOKEN" else f"={found['input']}"
    return f"  RERANK_{name}{value}: {message}" if name else f"  {message}"


if __name__ == "__main__":
    main()
