"""The assembly of stage local with the code asset of the present sources.

The template is synthesised again only when infra/ changed; when only our own code changed, the asset's hash in the text
is replaced, which is all that a new synthesis would do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.assets import code_hash
from infra.local.errors import LocalError
from infra.synth import SynthError, assembly_folder


@dataclass(frozen=True, slots=True)
class Assembly:
    """Templates as text and the assets they name."""

    folder: Path

    def template(self, stack: str) -> str:
        """The template with the code asset of the present sources."""
        text = (self.folder / f"{stack}.template.json").read_text()
        return text.replace(self.code_asset, code_hash())

    @property
    def code_asset(self) -> str:
        """The hash under which the code stood when the template was written."""
        return next(key for key, name in self._assets() if name.endswith("Function/Code"))

    def layer_assets(self) -> dict[str, Path]:
        """Hash and folder of each layer."""
        return {key: self.folder / f"asset.{key}" for key, name in self._assets() if name.endswith("Layer/Code")}

    def _assets(self) -> list[tuple[str, str]]:
        files = json.loads((self.folder / "Service.assets.json").read_text())["files"]
        return [(key, str(value["displayName"])) for key, value in files.items()]


def assembly(say: Callable[[str], None] = lambda _: None) -> Assembly:
    """The assembly of stage local."""
    try:
        return Assembly(assembly_folder("local", say))
    except SynthError as error:
        raise LocalError(str(error)) from None
