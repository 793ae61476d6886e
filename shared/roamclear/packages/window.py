"""Drawing the list of a run that is not issued yet: every member as it stands now, and what left, with the reason."""

from __future__ import annotations

from datetime import timedelta

from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.contracts import service as contracts
from roamclear.documents.model import Language, SessionExport
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.money import Money, total
from roamclear.packages import lists, rows
from roamclear.packages.exporting import FOLDER, PATIENCE, Wanted, wanted


def draw(ctx: Context, object_key: str) -> list[str]:
    """Write the list that an object of the inbox asks for; returns its keys. What is drawn already stays.

    Raises:
        NotFound: the object asks for nothing, or there is no such run.
    """
    asked = wanted(object_key)
    if asked is None:
        raise NotFound("this asks for no list")
    done = _drawn(ctx, asked)
    if done:
        return done
    run = billing.run(ctx, asked.issuer_id, asked.run_id)
    members = list(billing.members(ctx, run))
    ratings = cdrs.ratings(ctx, run.issuer_id, [session for session, _ in members])
    part = [(session, ratings[session.cdr_ref], section) for session, section in members]
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version)
    sessions, adjustments = lists.collect(ctx, run, part, terms.terms.basis.value)
    fees = billing.fees_now(ctx, run)
    net = total([*(rating.net for _, rating, _ in part), *(fee.net for fee in fees)], run.currency)
    excluded = [rows.excluded_row(session) for session in billing.left(ctx, run)]
    drawn_fees = [rows.fee_row(fee) for fee in fees]
    listing = lists.Listing(_head(ctx, run, asked, net), sessions, adjustments, excluded, drawn_fees)
    return lists.write(ctx, "exports", asked.folder, asked.name, listing, (asked.kind,))


def waiting(ctx: Context) -> list[str]:
    """Requests of the last minutes that were not drawn: what an event lost. Older ones are asked for again."""
    found = []
    for key in ctx.objects.keys("inbox", FOLDER):
        asked = wanted(key)
        if asked is not None and asked.as_of > ctx.now() - PATIENCE and not _drawn(ctx, asked):
            found.append(key)
    return found


def _drawn(ctx: Context, asked: Wanted) -> list[str]:
    found = ctx.objects.keys("exports", f"{asked.folder}/{asked.name}")
    return [key for key in found if key.endswith(f".{asked.kind}")]


def _head(ctx: Context, run: Run, asked: Wanted, net: Money) -> SessionExport:
    issuer = identity.issuer(ctx, run.issuer_id)
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    return SessionExport(
        document_number=None,
        issuer_name=issuer.legal_name,
        partner_name=terms.counterparty.legal_name,
        contract_name=run.contract_id,
        period_start=run.first,
        period_end=run.end - timedelta(days=1),
        currency=run.currency,
        language=Language(terms.language),
        created_at_utc=asked.as_of,
        document_net=net,
        zone=run.zone,
        trace_base=rows.trace_base(ctx),
        primary=issuer.brand.primary,
    )
