"""Build the two dependency layers for Lambda (arm64) from the pinned, hashed lists; no Docker, about two seconds.

python -m infra.build_layers [--uv PATH]
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from infra.assets import LAYERS, ROOT
from infra.settings import LAMBDA_PYTHON

_PLATFORM = "aarch64-manylinux_2_28"
_NAMES = ("runtime", "documents")


def build(name: str, uv: str) -> Path:
    """Install one list into build/layers/<name>/python unless it stands there already."""
    wanted = ROOT / "infra" / "layers" / f"{name}.txt"
    target = LAYERS / name
    stamp = LAYERS / f"{name}.sha256"
    digest = hashlib.sha256(wanted.read_bytes() + LAMBDA_PYTHON.encode() + _PLATFORM.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and target.is_dir():
        return target
    shutil.rmtree(target, ignore_errors=True)
    command = [
        uv, "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--requirement", str(wanted),
        "--target", str(target / "python"), "--python-platform", _PLATFORM, "--python-version", LAMBDA_PYTHON,
        "--only-binary", ":all:", "--no-compile-bytecode", "--link-mode", "copy",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    for useless in [*target.rglob("__pycache__"), *target.rglob("tests"), target / "python" / "bin"]:
        shutil.rmtree(useless, ignore_errors=True)
    stamp.write_text(digest)
    return target


def main() -> int:
    """Build both; 1 when uv cannot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default="uv")
    options = parser.parse_args()
    LAYERS.mkdir(parents=True, exist_ok=True)
    for name in _NAMES:
        try:
            target = build(name, options.uv)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"layer {name} could not be built: {error}", file=sys.stderr)
            return 1
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
        print(f"layer {name}: {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
