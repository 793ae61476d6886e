"""Reading disputes: one, a queue, and everything that is known of one side by side (product.md row 37)."""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

from roamclear.audit import service as audit
from roamclear.cdrs import masking
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.pricing import told as told_price
from roamclear.contracts import service as contracts
from roamclear.disputes import parts, rules, store
from roamclear.disputes.model import Dispute, Entry, Query, Side
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Forbidden

Said = TypeVar("Said", Dispute, Entry)


def dispute(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Dispute:
    """One dispute for who may see it."""
    known = parts.found(ctx, authorise(actor, Right.DISPUTE_VIEW, issuer_id), issuer_id, number)
    return _for(ctx, actor, [known])[0]


def disputes(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> list[Dispute]:
    """The disputes of a contract, oldest first."""
    require_contract(authorise(actor, Right.DISPUTE_VIEW, issuer_id), contract_id)
    return _for(ctx, actor, store.of_contract(ctx.db, issuer_id, contract_id))


def of_contract(ctx: Context, issuer_id: str, contract_id: str) -> list[Dispute]:
    """The disputes of a contract for a worker, oldest first."""
    return store.of_contract(ctx.db, issuer_id, contract_id)


def queue(ctx: Context, actor: Actor, issuer_id: str, query: Query) -> tuple[list[Dispute], str | None]:
    """Disputes by filter, and where to go on from.

    What waits for a word comes by its deadline, everything else by the instant of filing. A page looks at a bounded
    number of rows, so one with few hits may still have a next one.
    """
    scope = authorise(actor, Right.DISPUTE_VIEW, issuer_id)
    wanted = _contracts(ctx, scope, query)
    if wanted is not None and not wanted:
        return [], None
    one = next(iter(wanted)) if wanted is not None and len(wanted) == 1 else None
    rows, after = store.page(ctx.db, issuer_id, contract_id=one, waiting=query.waiting, query=query)
    kept = [d for d in rows if (wanted is None or d.contract_id in wanted) and rules.fits(d, query)]
    return _for(ctx, actor, kept), after


def side_by_side(ctx: Context, actor: Actor, issuer_id: str, number: str) -> dict[str, Any]:
    """A dispute with its clocks, the CDR as it came, the session, its prices with their traces, thread and evidence."""
    scope = authorise(actor, Right.DISPUTE_VIEW, issuer_id)
    known = parts.found(ctx, scope, issuer_id, number)
    body, session, ratings = cdrs.trace(ctx, actor, issuer_id, known.cdr_ref)
    raw = numbers_json.loads(zlib.decompress(body.raw))
    return {
        "dispute": _said(actor, known, raw),
        "you": _side(ctx, actor, known),
        "clocks": rules.clocks(known, ctx.now()),
        "window": store.window(ctx.db, issuer_id, known.run_id),
        "cdr": {
            "raw": masking.body(actor, issuer_id, raw),
            "sha256": body.sha256,
            "received_at_utc": body.received_at_utc,
        },
        "session": session,
        "ratings": [told_price(r) for r in ratings],
        "thread": [_said(actor, entry, raw) for entry in store.entries(ctx.db, issuer_id, number)],
        "evidence": store.evidence(ctx.db, issuer_id, number),
    }


def _for(ctx: Context, actor: Actor, found: list[Dispute]) -> list[Dispute]:
    """Disputes as an actor may read them: without the right to see cards, their texts name none of their CDR."""
    if not found or masking.sees(actor, found[0].issuer_id):
        return found
    issuer_id = found[0].issuer_id
    bodies = cdrs.originals(ctx, issuer_id, {d.cdr_ref for d in found})
    raws = {ref: numbers_json.loads(zlib.decompress(body.raw)) for ref, body in bodies.items()}
    return [_said(actor, d, raws.get(d.cdr_ref)) for d in found]


def _said(actor: Actor, record: Said, raw: Any) -> Said:
    """A dispute or a word of its thread, without whose card it was for who has no need to know."""
    texts = {name: getattr(record, name) for name in ("text", "answer") if getattr(record, name, None)}
    return record.model_copy(update=masking.said(actor, record.issuer_id, texts, raw))


def export(ctx: Context, actor: Actor, issuer_id: str, number: str) -> dict[str, Any]:
    """The dispute as a file: everything side by side, and what was done to it by whom (row 46: evidence is listed)."""
    found = side_by_side(ctx, actor, issuer_id, number)
    del found["you"]  # a file is read by others than who asked for it
    return found | {"history": audit.history(ctx, issuer_id, "DISPUTE", number), "exported_at_utc": ctx.now()}


def _side(ctx: Context, actor: Actor, known: Dispute) -> Side | None:
    """On which side of a dispute an actor speaks; None for who only reads."""
    try:
        side, _ = parts.speaker(actor, known.issuer_id)
    except Forbidden:
        return None
    return parts.side_in(ctx, side, known)


def _contracts(ctx: Context, scope: Scope, query: Query) -> set[str] | None:
    """The contracts a query is about, within what the actor may see; None is all of the issuer."""
    if query.contract is not None:
        require_contract(scope, query.contract)
        return {query.contract}
    if query.partner is None:
        return set(scope.contract_ids) if scope.contract_ids is not None else None
    heads = contracts.heads(ctx, scope.issuer_id)
    of_partner = {h.contract_id for h in heads if query.partner.upper() in h.party_ids}
    if scope.contract_ids is not None:
        of_partner &= scope.contract_ids
    return of_partner
