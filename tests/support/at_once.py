"""The plain way to a document and its list: everything in memory at once. What streams is compared with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from roamclear.billing import service as billing
from roamclear.billing.model import Document, Run
from roamclear.billing.rules import LineKey, vat_of_line
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import before_each, body_ref
from roamclear.cdrs.model import PricedLine, Session
from roamclear.contracts import service as contracts
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.packages import rows as listed
from tests.support import builders as b
from tests.support.whole_lists import write_csv, write_ndjson, write_xlsx

Row = billing.Row


def rows_of(ctx: Context, run: Run, *, outside: bool) -> list[Row]:
    """The sessions of category O of a run, or all others."""
    members = list(billing.members(ctx, run))
    ratings = cdrs.ratings(ctx, b.ISSUER, [session for session, _ in members])
    return [(s, ratings[s.cdr_ref], section) for s, section in members if (s.vat_category == "O") is outside]


def lines(rows: Iterable[Row], *, free: bool = False) -> list[tuple[str, ...]]:
    """Every line as text: key, quantity, amount, sessions, and when the first and the last one ended."""
    sums: dict[LineKey, list[tuple[Session, Decimal, int]]] = {}
    for session, rating, section in rows:
        nothing = PricedLine(
            component="ENERGY", quantity=session.energy_kwh, unit_price=Decimal(0), amount=Money(0, "EUR")
        )
        for line in rating.lines or ((nothing,) if free else ()):
            category, rate = vat_of_line(session, line)
            key = LineKey(
                section, session.country, line.component, line.unit_price, rating.contract_version, category, rate
            )
            sums.setdefault(key, []).append((session, line.quantity, line.amount.amount_minor))
    return [
        (
            str(key),
            str(sum((quantity for _, quantity, _ in found), Decimal(0))),
            str(sum(amount for _, _, amount in found)),
            str(len({session.cdr_ref for session, _, _ in found})),
            str(min(session.stop_utc for session, _, _ in found)),
            str(max(session.stop_utc for session, _, _ in found)),
        )
        for key, found in sorted(sums.items(), key=lambda item: item[0])
    ]


def left_out(ctx: Context, run: Run) -> list[Session]:
    """Sessions of the period that are on no document, in the order of lists."""
    found = [*billing.left(ctx, run), *cdrs.waiting(ctx, b.ISSUER, run.contract_id)]
    return sorted({s.cdr_ref: s for s in found}.values(), key=lambda s: (s.stop_utc, s.cdr_ref))


def files(ctx: Context, run: Run, header: Document, rows: list[Row], excluded: list[Session]) -> dict[str, bytes]:
    """The list of a document in every format, by name."""
    terms = contracts.version(ctx, b.ISSUER, run.contract_id, run.contract_version)
    export = listed.head(ctx, terms, run, header, billing.document_model(ctx, header))
    plain = [row for row in rows if row[2] != "ADJUSTMENT"]
    bodies = cdrs.originals(ctx, b.ISSUER, [body_ref(s) for s, _, _ in plain])
    basis, traces = terms.terms.basis.value, listed.trace_base(ctx)
    sessions = [listed.session_row(s, r, bodies[body_ref(s)], basis, section, traces) for s, r, section in plain]
    billed = before_each(ctx, b.ISSUER, [s for s, _, _ in rows if s.credit_of])
    documents = billing.documents_of(ctx, b.ISSUER, {s.credit_of for s, _, _ in rows if s.credit_of})
    adjustments = [
        listed.adjustment_row(s, rating, billed.get(s.cdr_ref), documents.get(s.credit_of or ""))
        for s, rating, section in rows
        if section == "ADJUSTMENT"
    ]
    told = [listed.excluded_row(session) for session in excluded] if header.place == 0 else []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        made = [
            *write_xlsx(export, sessions, target, header.number, adjustments=adjustments, excluded=told),
            write_csv(export, sessions, target / f"{header.number}.csv", adjustments=adjustments),
            write_ndjson(export, sessions, target / f"{header.number}.ndjson", adjustments=adjustments),
        ]
        return {Path(part.path).name: Path(part.path).read_bytes() for part in made}
