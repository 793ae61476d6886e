"""Which sessions and fees stand together on which document of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from roamclear.billing import carry, charges, rules
from roamclear.billing.charges import fees_net
from roamclear.billing.model import Run
from roamclear.billing.runs import members
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Rating, Session
from roamclear.contracts import service as contracts
from roamclear.contracts.fees import FeeCharge
from roamclear.documents.totals import tax_of
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money

Row = tuple[Session, Rating, str]


class Part(NamedTuple):
    """What one document bills: sessions with their rating and section, and fees."""

    rows: list[Row]
    fees: list[FeeCharge]


def documents(ctx: Context, run: Run) -> list[Part]:
    """What stands on each document of a run, its own and what it carries; the same whenever it is asked.

    Category O never shares a document with other categories (rules.md 7): not with sessions, and not with fees. A part
    that comes to nothing, in its sessions, its fees and its VAT, makes no document unless the contract wants zero
    invoices and something was charged for.
    """
    rows, fees = _everything(ctx, run)
    inside = Part([r for r in rows if r[0].vat_category != "O"], [f for f in fees if f.vat_category != "O"])
    outside = Part([r for r in rows if r[0].vat_category == "O"], [f for f in fees if f.vat_category == "O"])
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    wants_zero = terms.zero_invoices and run.kind == "CLOSE"
    return [
        p for p in (inside, outside) if _counts(p, run.currency) or (wants_zero and _has_lines(p.rows, run.currency))
    ]


def parts(ctx: Context, run: Run) -> list[list[Row]]:
    """The sessions of each document, by its place; a document of fees alone has none."""
    return [part.rows for part in documents(ctx, run)]


def fees_by_place(ctx: Context, run: Run) -> list[list[FeeCharge]]:
    """The fees of each document, by its place."""
    return [part.fees for part in documents(ctx, run)]


def fees_now(ctx: Context, run: Run) -> Sequence[FeeCharge]:
    """The fees of a run: frozen from the lock on, before it what its members would be charged now (row 69)."""
    if run.locked_at_utc is not None:
        return run.fees
    return charges.fees(ctx, run, [session for session, _ in members(ctx, run)])


def balance(rows: Iterable[Row], currency: str, fees: Iterable[FeeCharge] = ()) -> tuple[int, int]:
    """Net and VAT of a part in minor units: sums of categories may cancel out in one and not in the other."""
    taxable: dict[tuple[str, Decimal], int] = {}
    for session, rating, _ in rows:
        for line in rating.lines:
            key = rules.vat_of_line(session, line)
            taxable[key] = taxable.get(key, 0) + line.amount.amount_minor
    for fee in fees:
        key = (fee.vat_category, fee.vat_rate)
        taxable[key] = taxable.get(key, 0) + fee.net.amount_minor
    taxes = (tax_of(Money(net, currency), rate).amount_minor for (_, rate), net in taxable.items())
    return sum(taxable.values()), sum(taxes)


def _everything(ctx: Context, run: Run) -> tuple[list[Row], list[FeeCharge]]:
    rows: list[Row] = []
    fees: list[FeeCharge] = []
    for each in carry.runs_of(ctx, run):
        found = _locked(ctx, each)
        if each.run_id != run.run_id:
            found = [(s, rating, "EARLIER" if section == "PERIOD" else section) for s, rating, section in found]
        rows += found
        fees += each.fees
    return rows, fees


def _locked(ctx: Context, run: Run) -> list[Row]:
    found = list(members(ctx, run))
    ratings = cdrs.ratings(ctx, run.issuer_id, [s for s, _ in found])
    rows = [(session, ratings[session.cdr_ref], section) for session, section in found]
    net = sum(r[1].net.amount_minor for r in rows)
    if run.locked_net is None or net != run.locked_net.amount_minor or len(rows) != run.locked:
        raise InvariantBroken("the locked list and its lines differ", run_id=run.run_id)
    return rows


def _counts(part: Part, currency: str) -> bool:
    """Whether anything is to be documented: fees that just undo sessions are, for both have their own accounts."""
    return any(balance(part.rows, currency, part.fees)) or bool(fees_net(part.fees, currency))


def _has_lines(rows: Sequence[Row], currency: str) -> bool:
    """Whether a document would have a line; one without any cannot be (BR-16)."""
    return any(found.quantity or found.amount_minor for found in rules.group(rows, currency, free=True).values())
