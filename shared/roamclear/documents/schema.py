"""The schema check before issue: CII against Factur-X EN 16931, UBL against UBL 2.1, with lxml alone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roamclear.documents.cii import write_cii
from roamclear.documents.invoice_model import InvoiceDocument
from roamclear.documents.ubl import write_ubl
from roamclear.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from lxml.etree import XMLSchema

_FILES = {
    "CrossIndustryInvoice": "cii/Factur-X_EN16931.xsd",
    "Invoice": "ubl/maindoc/UBL-Invoice-2.1.xsd",
    "CreditNote": "ubl/maindoc/UBL-CreditNote-2.1.xsd",
}
#: Findings reported of one file; a broken order of elements repeats on every line.
MOST = 20


def invoice_problems(document: InvoiceDocument, schemas: Path) -> list[str]:
    """What both e-invoices of a document break of their schemas, ``CII 12: message``; empty when both may leave."""
    files = {"CII": write_cii(document), "UBL": write_ubl(document)}
    return [f"{name} {problem}" for name, xml in files.items() for problem in schema_problems(xml, schemas)]


def schema_problems(xml: bytes, schemas: Path) -> list[str]:
    """What a file breaks of its schema, ``line: message``; ``schemas`` is the folder that the schema build made.

    Raises:
        InvalidInput: the file is no well-formed CII or UBL document.
    """
    from lxml import etree

    # Nothing outside the file is ever loaded, and no entity is expanded.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidInput("the file is not well-formed XML", field="xml") from error
    file = _FILES.get(etree.QName(root).localname)
    if file is None:
        raise InvalidInput("the file is neither CII nor UBL", field="xml")
    schema = _schema(schemas / file)
    if schema.validate(root):
        return []
    log: Any = schema.error_log
    return [f"{entry.line}: {entry.message}" for entry in list(log)[:MOST]]


@lru_cache(maxsize=8)
def _schema(path: Path) -> XMLSchema:
    from lxml import etree

    return etree.XMLSchema(etree.parse(str(path)))
