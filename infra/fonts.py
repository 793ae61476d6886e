"""Makes the static fonts of the documents: ``python -m infra.fonts [OUT]`` (default ``build/fonts``).

The variable Noto Sans and Noto Serif of the PyPI packages fontpkg-noto-sans and fontpkg-noto-serif (OFL 1.1) are cut to
Latin, Greek and Cyrillic and then frozen at two weights. Drawing with a variable font itself costs 21 s a document. The
bytes depend on the input alone; an up-to-date folder is left as it is.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import metadata
from importlib.resources import files
from pathlib import Path

#: Name of the family in file names -> package and file of the variable font.
FAMILIES = {
    "NotoSans": ("fontpkg_noto_sans", "NotoSans[wdth,wght].ttf"),
    "NotoSerif": ("fontpkg_noto_serif", "NotoSerif[wdth,wght].ttf"),
}
WEIGHTS = {"Regular": 400, "Bold": 700}
#: Latin with all its extensions, Greek, Cyrillic, punctuation, currency signs and the few symbols that documents use.
RANGES = (
    (0x0020, 0x007E), (0x00A0, 0x024F), (0x0259, 0x0259), (0x02B0, 0x02FF), (0x0300, 0x036F), (0x0370, 0x03FF),
    (0x0400, 0x052F), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x20CF), (0x2100, 0x214F),
    (0x2190, 0x2193), (0x2212, 0x2212), (0x2248, 0x2248), (0x2260, 0x2265), (0x25A0, 0x25CF), (0xFFFD, 0xFFFD),
)  # fmt: skip


def build(out: Path) -> list[Path]:
    """Write the static fonts, their licence and a stamp into ``out``; returns the font files."""
    made = {out / f"{family}-{style}.ttf": (family, style) for family in FAMILIES for style in WEIGHTS}
    stamp, key = out / "stamp.txt", _key()
    if all(path.exists() for path in [*made, stamp]) and stamp.read_text() == key:
        return list(made)
    out.mkdir(parents=True, exist_ok=True)
    for target, (family, style) in made.items():
        _freeze(target, family, style)
    # Both families are under the same licence of the same authors.
    (out / "OFL.txt").write_bytes(files("fontpkg_noto_sans").joinpath("LICENSE").read_bytes())
    stamp.write_text(key)
    return list(made)


def _key() -> str:
    packages = [package.replace("_", "-") for package, _ in FAMILIES.values()]
    versions = [metadata.version(name) for name in (*packages, "fonttools")]
    return hashlib.sha256(repr((RANGES, WEIGHTS, FAMILIES, versions)).encode()).hexdigest()


def _freeze(target: Path, family: str, style: str) -> None:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    options = Options()
    options.layout_features = ["kern", "mark", "mkmk", "ccmp", "locl", "liga"]
    options.notdef_outline = True
    options.name_IDs = ["*"]
    options.hinting = False
    package, name = FAMILIES[family]
    with files(package).joinpath("files", name).open("rb") as source:
        # recalcTimestamp off: equal input gives equal bytes, and so equal PDFs.
        font = TTFont(source, recalcTimestamp=False)
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
        subsetter.subset(font)
        static = instantiateVariableFont(font, {"wght": WEIGHTS[style], "wdth": 100}, updateFontNames=False)
        _name(static, family, style)
        # Two builders at once (parallel tests) must not share a file: each renames its own into place.
        part = target.with_suffix(f".{os.getpid()}.part")
        static.save(part)
    part.replace(target)


def _name(font: object, family: str, style: str) -> None:
    table = font["name"]  # type: ignore[index]
    plain = family.replace("Noto", "Noto ")
    for record in list(table.names):
        text = {1: plain, 2: style, 4: f"{plain} {style}", 6: f"{family}-{style}"}.get(record.nameID)
        if text is not None:
            table.setName(text, record.nameID, record.platformID, record.platEncID, record.langID)


if __name__ == "__main__":
    for path in build(Path(sys.argv[1] if len(sys.argv) > 1 else "build/fonts")):
        print(path)
