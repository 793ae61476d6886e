"""The synthesised template for the laptop stack, kept as long as its sources do not change."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from infra.assets import BUILD, ROOT, code_hash
from infra.local.errors import LocalError

_FOLDER = BUILD / "assembly"
#: Parts of infra/ that the template does not depend on.
_NOT_TEMPLATE = {"local", "bench"}
STACKS = ("Data", "Service")


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
        found = {}
        for key, name in self._assets():
            if name.endswith("Layer/Code"):
                found[key] = self.folder / f"asset.{key}"
        return found

    def _assets(self) -> list[tuple[str, str]]:
        files = json.loads((self.folder / "Service.assets.json").read_text())["files"]
        return [(key, str(value["displayName"])) for key, value in files.items()]


def template_hash() -> str:
    """SHA-256 over everything the template is made of, apart from our own code."""
    digest = hashlib.sha256(f"{metadata.version('aws-cdk-lib')} {sys.version_info[:2]}".encode())
    infra = ROOT / "infra"
    paths = [p for p in infra.rglob("*") if p.suffix in {".py", ".json"} and not _NOT_TEMPLATE & set(p.parts[-3:-1])]
    for path in sorted([*paths, ROOT / "cdk.json"]):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def assembly(say: object = None) -> Assembly:
    """The assembly of stage local: read from build/ or synthesised (15-80 s, needs Node)."""
    folder = _FOLDER / f"local-{template_hash()}"
    with _only_one():
        if not (folder / "manifest.json").exists():
            if shutil.which("node") is None:
                raise LocalError("Node.js is missing: install Node.js 20 or newer; the CDK needs it to write the template.")
            if callable(say):
                say("writing the template (once per change of infra/) ...")
            _synthesise(folder)
            _forget_others(folder)
    return Assembly(folder)


def _synthesise(folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    # In its own process: the CDK's Node helper and half a gigabyte of modules go away with it.
    code = "import sys; from pathlib import Path; from infra.app import build; build('local', Path(sys.argv[1]), nag=False)"
    environ = os.environ | {
        "JSII_RUNTIME_PACKAGE_CACHE": "enabled",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(part)], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalError(f"The template could not be written:\n{done.stderr.strip()[-3000:]}")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def _forget_others(keep: Path) -> None:
    """Keep the newest three, so a switch between two branches stays fast."""
    others = sorted(
        (p for p in _FOLDER.glob("local-*") if p.is_dir() and p != keep), key=lambda p: p.stat().st_mtime, reverse=True
    )
    for old in others[2:]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _only_one() -> Iterator[None]:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
