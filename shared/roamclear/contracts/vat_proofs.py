"""Proofs that a VAT id was valid on a day (VIES): dated stored values, recorded by a person or a schedule (D.2).

Nothing here calls out: a close reads what is stored (rules.md 10).
"""

from __future__ import annotations

from datetime import date, timedelta

from roamclear.audit import service as audit
from roamclear.contracts import store
from roamclear.contracts.model import Terms
from roamclear.contracts.service import contract, live_terms
from roamclear.contracts.vat import KeptProof, Standing, VatProof, standing
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Table

#: How long an ended contract may still close runs: the longest late limit and a window.
_AFTER_END = timedelta(days=450)


def record(ctx: Context, actor: Actor, issuer_id: str, contract_id: str, proof: VatProof) -> VatProof:
    """Keep a proof of the buyer's or the issuer's own VAT id, once per day and request id.

    Raises:
        InvalidInput: the number is neither the contract's nor the issuer's, or the day lies ahead.
        Conflict: another answer is kept under the same request id.
    """
    authorise(actor, Right.CONTRACT_EDIT, issuer_id)
    _, versions = contract(ctx, actor, issuer_id, contract_id)
    issuer = identity.issuer(ctx, issuer_id)
    if proof.vat_id not in {issuer.vat_id, *(v.terms.counterparty.vat_id for v in versions)}:
        raise InvalidInput("the VAT id is neither this contract's nor the issuer's", field="vat_id")
    if proof.checked_on > local_date(ctx.now(), issuer.zone):
        raise InvalidInput("the day of the check lies ahead", field="checked_on")
    if proof.checked_at_utc is not None and local_date(proof.checked_at_utc, issuer.zone) != proof.checked_on:
        raise InvalidInput("the instant of the check lies on another day", field="checked_at_utc")

    by = actor.actor_id
    kept = KeptProof(**proof.model_dump(), source="PERSON", recorded_by=by, recorded_at_utc=ctx.now())
    keep(ctx, issuer_id, kept, kind="CONTRACT", object_id=contract_id)
    tell(ctx, issuer, proof.vat_id, partner=contract_id)
    return proof


def keep(ctx: Context, issuer_id: str, proof: KeptProof, *, kind: str, object_id: str) -> None:
    """Write a proof once per day and request id, with its audit entry; the same answer again is the same.

    Raises:
        Conflict: another answer is kept under the same request id.
    """

    def attempt() -> None:
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind=kind,
            object_id=object_id,
            actor_id=proof.recorded_by or "system:vies",
            action="VAT_PROOF_RECORDED",
            details={"proof": proof.said, "source": proof.source},
        )
        try:
            ctx.db.transact([store.vat_proof_put(issuer_id, proof), log])
        except ConditionFailed as lost:
            if lost.table == Table.AUDIT or lost.current is None:
                raise
            if VatProof.load(lost.current) != proof.said:
                raise Conflict("another answer is kept under this request id", request_id=proof.request_id) from lost

    again_on_race(attempt)


def tell(
    ctx: Context, issuer: Issuer, number: str, *, fault: str | None = None, partner: str | None = None
) -> Standing:
    """Open the exception of a number whose proof is old, absent or negative, or close it where it is valid.

    It is open while the latest proof up to today is older than 30 days, says invalid, or there is none; a proof that
    is valid closes it, whoever recorded it. ``fault`` is why the last check brought no answer.
    """
    known = standing(number, store.vat_proofs(ctx.db, issuer.issuer_id, number), local_date(ctx.now(), issuer.zone))
    kind = ExceptionType.VAT_PROOF_OLD
    if known.state == "VALID":
        journal.resolve(ctx, issuer.issuer_id, kind, number, by="system:vat", reason="a proof was recorded")
        return known
    since = f" since {known.proof.checked_on}" if known.proof else ""
    open_row = journal.find(ctx, issuer.issuer_id, kind, number)
    if open_row is not None and open_row.state == "OPEN" and open_row.details.get("state", known.state) != known.state:
        reason = f"the number is {known.state} now"
        journal.resolve(ctx, issuer.issuer_id, kind, number, by="system:vat", reason=reason)
    journal.raise_once(
        ctx,
        issuer.issuer_id,
        kind,
        number,
        f"the proof of a VAT id is {known.state}{since}" + (f"; the last check: {fault}" if fault else ""),
        severity="HIGH" if known.state == "INVALID" else "WARN",
        partner=partner,
        next_action="look at the number with the partner, or check it in VIES and record the answer at the contract",
        details={"vat_id": number, "state": known.state} | ({"fault": fault} if fault else {}),
    )
    return known


def latest(ctx: Context, issuer_id: str, number: str, day: date) -> Standing:
    """How a number stands on a day by what is stored."""
    return standing(number, store.vat_proofs(ctx.db, issuer_id, number), day)


def numbers(ctx: Context, issuer: Issuer, day: date) -> dict[str, str]:
    """The VAT ids that documents of an issuer rest on from a day on, with the contract that names each.

    Its own, and those of every counterparty in the version in force and in later ones. A contract that ended goes on
    to close what was late for a while.
    """
    found = {issuer.vat_id: ""} if issuer.vat_id else {}
    for contract_id, terms in live_terms(ctx, issuer.issuer_id, day, _AFTER_END):
        if terms.counterparty.vat_id:
            found.setdefault(terms.counterparty.vat_id, contract_id)
    return found


def proofs(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> list[KeptProof]:
    """The proofs of a contract's VAT ids and of the issuer's own, oldest first, with the answers as they came."""
    _, versions = contract(ctx, actor, issuer_id, contract_id)
    ids = {identity.issuer(ctx, issuer_id).vat_id, *(v.terms.counterparty.vat_id for v in versions)}
    found = [p for number in ids if number for p in store.kept_proofs(ctx.db, issuer_id, number)]
    return sorted(found, key=lambda p: (p.checked_on, p.vat_id, p.request_id))


def standings(ctx: Context, issuer: Issuer, terms: Terms, day: date) -> list[Standing]:
    """How the VAT ids of both parties stand on a day (D.2: both at issue); a party without one is not asked for."""
    own = [number for number in (issuer.vat_id, terms.counterparty.vat_id) if number]
    return [latest(ctx, issuer.issuer_id, number, day) for number in own]
