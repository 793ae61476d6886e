"""The run-time schema check takes what we write and names what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import schemas as schema_build
from roamclear.documents.cii import write_cii
from roamclear.documents.schema import schema_problems
from roamclear.documents.ubl import write_ubl
from roamclear.kernel.errors import InvalidInput
from tests.unit.documents import samples
from tests.unit.documents.conftest import ROOT


@pytest.fixture(scope="module")
def schemas() -> Path:
    return schema_build.build(ROOT / "build" / "schemas")


@pytest.mark.parametrize("name", samples.MATRIX)
def test_what_we_write_is_valid(name: str, schemas: Path) -> None:
    document = samples.MATRIX[name]()
    assert schema_problems(write_cii(document), schemas) == []
    assert schema_problems(write_ubl(document), schemas) == []


def test_a_broken_order_is_named(schemas: Path) -> None:
    xml = write_cii(samples.document())
    swapped = xml.replace(b"<ram:ID>RE-2026-000042</ram:ID><ram:TypeCode>380</ram:TypeCode>",
                          b"<ram:TypeCode>380</ram:TypeCode><ram:ID>RE-2026-000042</ram:ID>")  # fmt: skip
    assert swapped != xml
    assert "TypeCode" in schema_problems(swapped, schemas)[0]


@pytest.mark.parametrize("xml", [b"<a/>", b"no xml", b"", b"<Invoice>"])
def test_other_files_are_refused(xml: bytes, schemas: Path) -> None:
    with pytest.raises(InvalidInput):
        schema_problems(xml, schemas)
