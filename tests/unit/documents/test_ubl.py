"""The UBL of every kind of document passes schema and CEN rules and says the same as the CII."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from roamclear.documents.cii import write_cii
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.ubl import write_ubl
from tests.unit.documents import samples
from tests.unit.documents.conftest import Judge, rules_folder

CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_every_kind_passes_schema_and_schematron(make: Callable[[], InvoiceDocument], ubl_judge: Judge) -> None:
    document = make()
    name = "CreditNote" if document.type_code.is_credit else "Invoice"
    schema = etree.XMLSchema(etree.parse(str(rules_folder() / "ubl-2.1" / "maindoc" / f"UBL-{name}-2.1.xsd")))
    xml = write_ubl(document)
    assert schema.validate(etree.fromstring(xml)), schema.error_log
    fired, failed = ubl_judge(xml)
    assert fired > 50
    assert failed == set()


def test_a_wrong_total_is_caught(ubl_judge: Judge) -> None:
    root = etree.fromstring(write_ubl(samples.multi_rate()))
    payable = root.find(f".//{CBC}PayableAmount")
    assert payable is not None
    payable.text = "1.00"
    assert "BR-CO-16" in ubl_judge(etree.tostring(root))[1]


@pytest.mark.parametrize("make", samples.MATRIX.values(), ids=samples.MATRIX.keys())
def test_both_files_state_the_same_amounts(make: Callable[[], InvoiceDocument]) -> None:
    document = make()
    for xml in (write_ubl(document), write_cii(document)):
        for amount in (document.totals.net, document.totals.gross, document.totals.due):
            assert f">{amount.to_decimal():f}<".encode() in xml


def test_peppol_allows_one_note_only() -> None:
    document = samples.document(notes=("one", "two"))
    root = etree.fromstring(write_ubl(document))
    assert len([e for e in root if e.tag == f"{CBC}Note"]) == 1
