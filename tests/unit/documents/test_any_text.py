"""A numbered document is always drawable and writable, whatever text stands in it (rules.md 7)."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from roamclear.documents.canvas import Canvas
from roamclear.documents.cii import write_cii
from roamclear.documents.model import Branding, InvoiceDocument, Language
from roamclear.documents.pdf import render_invoice
from roamclear.documents.ubl import write_ubl
from tests.unit.documents import samples

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=120)


@st.composite
def documents(draw: st.DrawFn) -> InvoiceDocument:
    """An invoice with any text in every free field."""
    party = samples.BUYER_PL.model_copy(
        update={"name": draw(TEXT), "address_lines": (draw(TEXT), draw(TEXT)), "city": draw(TEXT)}
    )
    line = samples.energy("12.5", "0.49", name=draw(TEXT), tariff_name=draw(TEXT), description=draw(TEXT))
    colours = st.from_regex(r"\A#[0-9A-F]{6}\Z")
    return samples.document(
        (line,),
        buyer=party,
        buyer_reference=draw(TEXT),
        number=draw(st.text("ABCDEFGHIJ-/0123456789", min_size=1, max_size=40)),
        notes=(draw(TEXT), "{nb} **bold** \\ ( ) <b>"),
        correction_reason=draw(TEXT),
        branding=Branding(
            primary=draw(colours), accent=draw(colours), footer_lines=(draw(TEXT),), logo=draw(st.binary(max_size=40))
        ),
        language=draw(st.sampled_from(Language)),
    )


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_any_text_is_drawn(fonts: Path, document: InvoiceDocument) -> None:
    assert render_invoice(document, fonts).startswith(b"%PDF-1.7")


@settings(deadline=None, max_examples=30)
@given(documents())
def test_any_text_is_well_formed_xml(document: InvoiceDocument) -> None:
    for xml in (write_cii(document), write_ubl(document)):
        assert etree.fromstring(xml) is not None


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=20))
def test_only_glyphs_of_the_font_are_used(fonts: Path, texts: list[str]) -> None:
    with Canvas(Branding(), fonts, language="EN") as canvas:
        for text in texts:
            clean = canvas.clean(text)
            assert canvas._known.issuperset(map(ord, clean))
            assert "\n" not in clean
