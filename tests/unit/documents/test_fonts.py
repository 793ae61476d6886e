"""The font build: the glyphs that European names need, at both weights, and nothing rebuilt without need."""

from __future__ import annotations

from pathlib import Path

from infra import fonts as font_build

SAMPLE = "AZaz09 ÄÖÜß ŁłŻżŹźĆćĄąĘę ŐőŰű ĞğŞşİı ŢţȘșȚț ČčŘřŽž ΑΩαωάέήίόύώϊΐ ἀἁ АЯаяЄєЇїЎў €£–—“”„…·−•№ ©"


def test_all_letters_of_europe_are_there(fonts: Path) -> None:
    from fontTools.ttLib import TTFont

    for path in font_build.build(fonts):
        font = TTFont(path)
        weight = font_build.WEIGHTS[path.stem.partition("-")[2]]
        known = font.getBestCmap()
        assert [c for c in SAMPLE if ord(c) not in known] == []
        assert font["OS/2"].usWeightClass == weight
        assert "fvar" not in font
        # Figures of equal width: columns of amounts stand under each other.
        assert len({font["hmtx"][known[ord(c)]][0] for c in "0123456789"}) == 1


def test_an_up_to_date_folder_is_left_alone(fonts: Path) -> None:
    before = [path.stat().st_mtime_ns for path in font_build.build(fonts)]
    assert len(before) == 4
    assert [path.stat().st_mtime_ns for path in font_build.build(fonts)] == before


def test_the_licence_lies_beside_the_fonts(fonts: Path) -> None:
    assert "SIL OPEN FONT LICENSE" in (fonts / "OFL.txt").read_text().upper()
