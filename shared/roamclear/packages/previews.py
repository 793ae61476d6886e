"""The files of documents that were only rehearsed: drawn by what draws the real ones, without a number.

The PDF is marked across every page and carries neither number, XML nor a way to pay. The e-invoices beside it are for
checking alone: they state the number of equal length that stands for none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from roamclear.billing import service as billing
from roamclear.billing.model import Document, Run
from roamclear.documents.cii import write_cii
from roamclear.documents.model import Purpose
from roamclear.documents.pdf import render_invoice
from roamclear.documents.ubl import write_ubl
from roamclear.kernel.context import Context
from roamclear.packages import lists
from roamclear.packages.service import branded, listing_of

#: Where the files stand; the bucket forgets what lies there.
BUCKET = "exports"
_LISTS = ("xlsx", "csv")


def draw(ctx: Context, run: Run, folder: str, purpose: Purpose) -> dict[str, tuple[str, ...]]:
    """Write PDF, CII, UBL and session list of each document of a rehearsed run below a folder; keys by number."""
    parts = billing.parts_of(ctx, run) if run.numbers else []
    headers = [billing.document(ctx, run.issuer_id, number) for number in run.numbers]
    return {header.number: tuple(_draw(ctx, run, header, parts[header.place], folder, purpose)) for header in headers}


def _draw(ctx: Context, run: Run, header: Document, part: billing.Part, folder: str, purpose: Purpose) -> list[str]:
    model = billing.unnumbered(ctx, header)
    name = f"{run.run_id}.{header.place + 1}-{purpose.value}"
    pdf = render_invoice(branded(ctx, model), Path(ctx.fonts_dir), purpose=purpose)
    files = {
        "pdf": (pdf, "application/pdf"),
        "xml": (write_cii(model), "application/xml"),
        "ubl.xml": (write_ubl(model), "application/xml"),
    }
    keys = [ctx.objects.put(BUCKET, f"{folder}/{name}.{kind}", *drawn).key for kind, drawn in files.items()]
    listing = listing_of(ctx, run, header, part)
    listing = replace(listing, export=listing.export.model_copy(update={"document_number": None}))
    return keys + lists.write(ctx, lists.Target(BUCKET, folder, name), listing, _LISTS).keys
