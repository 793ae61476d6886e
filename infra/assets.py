"""What is uploaded: one folder with our own code, and the dependency layers.

The folder is made anew from the sources each time, holds nothing but them, and its hash depends on names and bytes
only; the same sources give the same asset on every machine.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
CODE = BUILD / "code"
FONTS = BUILD / "fonts"
SCHEMAS = BUILD / "schemas"
LAYERS = BUILD / "layers"
EMPTY_LAYER = BUILD / "empty_layer"
_LEFT_OUT = {"__pycache__", ".DS_Store"}


def source_files() -> list[tuple[str, Path]]:
    """Name inside the asset and path of every file of our own code, sorted."""
    found = []
    for base, name in ((ROOT / "shared" / "roamclear", "roamclear"), (ROOT / "functions", "functions")):
        for path in base.rglob("*"):
            if path.is_file() and not _LEFT_OUT & set(path.parts) and path.suffix != ".pyc":
                found.append((f"{name}/{path.relative_to(base).as_posix()}", path))
    if FONTS.is_dir():
        found.extend((f"fonts/{path.name}", path) for path in FONTS.iterdir() if path.is_file())
    found.extend((f"schemas/{path.relative_to(SCHEMAS).as_posix()}", path) for path in SCHEMAS.rglob("*.xsd"))
    return sorted(found)


def code_hash() -> str:
    """SHA-256 over names and bytes of our own code."""
    digest = hashlib.sha256()
    for name, path in source_files():
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_code() -> Path:
    """Write the code folder and give its path."""
    shutil.rmtree(CODE, ignore_errors=True)
    for name, path in source_files():
        target = CODE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return CODE


def empty_layer() -> Path:
    """The layer of the laptop stack and of templates that are only looked at: one file that says so."""
    (EMPTY_LAYER / "python").mkdir(parents=True, exist_ok=True)
    (EMPTY_LAYER / "python" / "README.txt").write_text("The dependencies come from PYTHONPATH on this stage.\n")
    return EMPTY_LAYER


def build_zip() -> bytes:
    """Our own code as a zip whose bytes depend on names and contents only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in source_files():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()
