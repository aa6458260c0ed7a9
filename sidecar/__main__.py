"""`python -m sidecar`: the service under gunicorn; arguments are gunicorn's own, all settings come from the environment or file."""

from __future__ import annotations

import sys
from pathlib import Path

from gunicorn.app.wsgiapp import WSGIApplication
from pydantic import ValidationError

from sidecar.config import Settings


def main() -> None:
    """Check the settings, then become gunicorn."""
    try:
        Settings()
    except (ValidationError, ValueError) as error:
        sys.exit(f"the settings are wrong: {error}")
    sys.argv[1:1] = ["--config", str(Path(__file__).with_name("gunicorn_conf.py"))]
    WSGIApplication("%(prog)s [OPTIONS]", prog="python -m sidecar").run()


if __name__ == "__main__":
    main()
