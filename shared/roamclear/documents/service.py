"""The door of the room: every document that the house writes. Pure: model in, bytes (or a local file) out.

Heavy libraries (fpdf2, lxml, xlsxwriter, segno, Babel) are loaded by the functions that need them, not by importing
this.
"""

from roamclear.documents.certificate import render_certificate
from roamclear.documents.checks import missing, national_currency
from roamclear.documents.cii import write_cii
from roamclear.documents.pdf import issuer_of, recipient_of, render_invoice
from roamclear.documents.schema import invoice_problems, schema_problems
from roamclear.documents.session_text import file_sha256
from roamclear.documents.sessions import ROWS_PER_PART
from roamclear.documents.statement import render_statement, statement_problems, write_statement_xlsx
from roamclear.documents.totals import tax_of, totals, vat_breakdown
from roamclear.documents.ubl import write_ubl

__all__ = [
    "ROWS_PER_PART",
    "file_sha256",
    "invoice_problems",
    "issuer_of",
    "missing",
    "national_currency",
    "recipient_of",
    "render_certificate",
    "render_invoice",
    "render_statement",
    "schema_problems",
    "statement_problems",
    "tax_of",
    "totals",
    "vat_breakdown",
    "write_cii",
    "write_statement_xlsx",
    "write_ubl",
]
