"""Makes the static fonts of the documents: ``python -m infra.fonts [OUT]`` (default ``build/fonts``).

The variable Noto Sans of the PyPI package fontpkg-noto-sans (OFL 1.1) is cut to Latin, Greek and Cyrillic and then
frozen at two weights. Drawing with the variable font itself costs 21 s a document. The bytes depend on the input
alone; an up-to-date folder is left as it is.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import metadata
from importlib.resources import files
from pathlib import Path

WEIGHTS = {"NotoSans-Regular.ttf": 400, "NotoSans-Bold.ttf": 700}
SOURCE = "NotoSans[wdth,wght].ttf"
#: Latin with all its extensions, Greek, Cyrillic, punctuation, currency signs and the few symbols that documents use.
RANGES = (
    (0x0020, 0x007E), (0x00A0, 0x024F), (0x0259, 0x0259), (0x02B0, 0x02FF), (0x0300, 0x036F), (0x0370, 0x03FF),
    (0x0400, 0x052F), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x20CF), (0x2100, 0x214F),
    (0x2190, 0x2193), (0x2212, 0x2212), (0x2248, 0x2248), (0x2260, 0x2265), (0x25A0, 0x25CF), (0xFFFD, 0xFFFD),
)  # fmt: skip


def build(out: Path) -> list[Path]:
    """Write the static fonts, their licence and a stamp into ``out``; returns the font files."""
    targets = [out / name for name in WEIGHTS]
    stamp, key = out / "stamp.txt", _key()
    if all(t.exists() for t in [*targets, stamp]) and stamp.read_text() == key:
        return targets
    out.mkdir(parents=True, exist_ok=True)
    for target in targets:
        _freeze(target, WEIGHTS[target.name])
    licence = files("fontpkg_noto_sans").joinpath("LICENSE")
    (out / "OFL.txt").write_bytes(licence.read_bytes())
    stamp.write_text(key)
    return targets


def _key() -> str:
    text = repr((RANGES, WEIGHTS, metadata.version("fontpkg-noto-sans"), metadata.version("fonttools")))
    return hashlib.sha256(text.encode()).hexdigest()


def _freeze(target: Path, weight: int) -> None:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    options = Options()
    options.layout_features = ["kern", "mark", "mkmk", "ccmp", "locl", "liga"]
    options.notdef_outline = True
    options.name_IDs = ["*"]
    options.hinting = False
    with files("fontpkg_noto_sans").joinpath("files", SOURCE).open("rb") as source:
        # recalcTimestamp off: equal input gives equal bytes, and so equal PDFs.
        font = TTFont(source, recalcTimestamp=False)
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
        subsetter.subset(font)
        static = instantiateVariableFont(font, {"wght": weight, "wdth": 100}, updateFontNames=False)
        _name(static, "Bold" if weight > 500 else "Regular")
        # Two builders at once (parallel tests) must not share a file: each renames its own into place.
        part = target.with_suffix(f".{os.getpid()}.part")
        static.save(part)
    part.replace(target)


def _name(font: object, style: str) -> None:
    table = font["name"]  # type: ignore[index]
    for record in list(table.names):
        text = {1: "Noto Sans", 2: style, 4: f"Noto Sans {style}", 6: f"NotoSans-{style}"}.get(record.nameID)
        if text is not None:
            table.setName(text, record.nameID, record.platformID, record.platEncID, record.langID)


if __name__ == "__main__":
    for path in build(Path(sys.argv[1] if len(sys.argv) > 1 else "build/fonts")):
        print(path)
