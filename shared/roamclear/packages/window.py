"""Drawing the list of a run that is not issued yet: every member as it stands now, and what left, with the reason."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.contracts import service as contracts
from roamclear.documents.model import Language, SessionExport
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.money import Money, total
from roamclear.kernel.spool import Spool
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
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version)
    fees = billing.fees_now(ctx, run)
    with tempfile.TemporaryDirectory() as folder, Spool[lists.Drawn](Path(folder) / "rows") as kept:
        # Sessions may change while they are read, so they are read once: first all of them, then what they sum to.
        net = total((fee.net for fee in fees), run.currency)
        for place, row in lists.drawn(ctx, run, billing.Rows(ctx, (run,), None), None, terms.terms.basis.value):
            kept.add((place, row))
            net += row.net
        excluded = map(rows.excluded_row, billing.left(ctx, run))
        drawn_fees = [rows.fee_row(fee) for fee in fees]
        listing = lists.Listing(_head(ctx, run, asked, net), lambda _: kept, excluded, drawn_fees)
        found = lists.write(ctx, lists.Target("exports", asked.folder, asked.name), listing, (asked.kind,))
    return found.keys


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
