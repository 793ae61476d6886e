"""Write assemblies once per change of their sources; ``python -m infra.synth [STAGE]`` writes and lints the templates.

The assembly is kept under build/assembly/<stage>-<hash of infra/>: tests, the laptop stack and `make synth` share it.
Layers in it are placeholders; `make deploy` synthesises again with the real ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from infra.assets import BUILD, ROOT
from infra.settings import STAGES

_FOLDER = BUILD / "assembly"
#: Parts of infra/ that the template does not depend on.
_NOT_TEMPLATE = {"local", "bench"}


class SynthError(Exception):
    """The template could not be written; the text says why."""


def template_hash() -> str:
    """SHA-256 over everything the template is made of, apart from our own code."""
    digest = hashlib.sha256(f"{metadata.version('aws-cdk-lib')} {metadata.version('cdk-nag')}".encode())
    infra = ROOT / "infra"
    paths = [p for p in infra.rglob("*") if p.suffix in {".py", ".json"}]
    for path in sorted([*paths, ROOT / "cdk.json"]):
        if not _NOT_TEMPLATE & set(path.relative_to(ROOT).parts):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def assembly_folder(stage: str, say: Callable[[str], None] = lambda _: None) -> Path:
    """The assembly of a stage, written when its sources changed (15 to 80 s, needs Node)."""
    folder = _FOLDER / f"{stage}-{template_hash()}"
    with _only_one():
        if not (folder / "manifest.json").exists():
            if shutil.which("node") is None:
                raise SynthError(
                    "Node.js is missing: install Node.js 20 or newer; the CDK needs it to write the template."
                )
            say("writing the template (once per change of infra/) ...")
            _synthesise(stage, folder)
            _forget_others(stage, folder)
    return folder


def _synthesise(stage: str, folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    # In its own process: the CDK's Node helper and half a gigabyte of modules go away with it.
    code = (
        "import sys; from pathlib import Path; from infra.app import build; "
        "build(sys.argv[1], Path(sys.argv[2]), placeholder_layers=True)"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ROAMCLEAR_")} | {
        "JSII_RUNTIME_PACKAGE_CACHE": "enabled",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, stage, str(part)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SynthError(f"The template of {stage} could not be written:\n{done.stderr.strip()[-6000:]}")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def _forget_others(stage: str, keep: Path) -> None:
    """Keep the newest three, so a switch between two branches stays fast."""
    others = [p for p in _FOLDER.glob(f"{stage}-*") if p.is_dir() and p != keep]
    for old in sorted(others, key=lambda p: p.stat().st_mtime, reverse=True)[2:]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _only_one() -> Iterator[None]:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Write the templates of all stages (or the one named) to cdk.out/<stage> and lint them."""
    stages = sys.argv[1:] or list(STAGES)
    for stage in stages:
        try:
            folder = assembly_folder(stage, print)
        except (SynthError, SystemExit) as error:
            print(error, file=sys.stderr)
            return 1
        target = ROOT / "cdk.out" / stage
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
        templates = sorted(target.glob("*.template.json"))
        lint = [str(Path(sys.executable).with_name("cfn-lint")), "--config-file", str(ROOT / "infra" / "cfnlint.yaml")]
        if subprocess.run([*lint, *map(str, templates)], check=False).returncode != 0:
            return 1
        print(f"{stage}: {', '.join(str(t.relative_to(ROOT)) for t in templates)}; cdk-nag and cfn-lint find nothing")
    return 0


if __name__ == "__main__":
    sys.exit(main())
