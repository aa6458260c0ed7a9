"""`--prior` of `rerank fuse`: what a fit stays near while there are few queries."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sidecar.errors import InvalidModel
from sidecar.fusion import CROSS_ENCODER, NAMES
from sidecar.manifest import read_manifest

if TYPE_CHECKING:
    from training.fusion_weights import Prior

_FEATURES = tuple(name for name in NAMES if name != CROSS_ENCODER)


class _PriorType(click.ParamType["Prior"]):
    name = "prior"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Prior:
        """A directory's fusion, or weights by feature."""
        from training.fusion_weights import Prior  # noqa: PLC0415 - scipy is slow to import

        if isinstance(value, Prior):
            return value
        text = str(value)
        if "=" in text and not Path(text).is_dir():
            return Prior.beside_network(dict(self._weight(part, param, ctx) for part in text.split(",")))
        return self._of_directory(Path(text), param, ctx)

    def _of_directory(self, directory: Path, param: click.Parameter | None, ctx: click.Context | None) -> Prior:
        from training.fusion_weights import Prior  # noqa: PLC0415

        if not directory.is_dir():
            self.fail(f"{directory} is no model directory, and not weights such as dense=1", param, ctx)
        try:
            fusion = read_manifest(directory).fusion
        except InvalidModel as error:
            self.fail(str(error), param, ctx)
        if fusion is None:
            self.fail(f"{directory} has no fusion to stay near: leave --prior out", param, ctx)
        return Prior.of_fusion(fusion)

    def _weight(self, part: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, number = part.partition("=")
        if name not in _FEATURES:
            self.fail(f"{name!r} is no feature beside the network: {', '.join(_FEATURES)}", param, ctx)
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not 0 <= weight < math.inf:
            self.fail(f"{part!r}: the weight must be a number of at least 0", param, ctx)
        return name, weight


prior_option = click.option(
    "--prior",
    type=_PriorType(),
    metavar="DIRECTORY|FEATURE=WEIGHT[,...]",
    help="What the fit stays near as long as there are few queries: the fusion of a model directory, the one that yours was trained on "
    "from, or weights beside a network whose scores are z-normalised, such as dense=1.",
)
