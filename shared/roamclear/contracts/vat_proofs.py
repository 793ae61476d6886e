"""Proofs that a VAT id was valid on a day (VIES): dated stored values, recorded by a person or a schedule (D.2).

Nothing here calls out: a close reads what is stored (rules.md 10).
"""

from __future__ import annotations

from datetime import date

from roamclear.audit import service as audit
from roamclear.contracts import store
from roamclear.contracts.model import Terms
from roamclear.contracts.service import contract
from roamclear.contracts.vat import Standing, VatProof, standing
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

    def attempt() -> VatProof:
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind="CONTRACT",
            object_id=contract_id,
            actor_id=actor.actor_id,
            action="VAT_PROOF_RECORDED",
            details={"proof": proof},
        )
        try:
            ctx.db.transact([store.vat_proof_put(issuer_id, proof), log])
        except ConditionFailed as lost:
            if lost.table == Table.AUDIT or lost.current is None:
                raise
            if VatProof.load(lost.current) != proof:
                raise Conflict("another answer is kept under this request id", request_id=proof.request_id) from lost
        return proof

    kept = again_on_race(attempt)
    day = local_date(ctx.now(), issuer.zone)
    if standing(kept.vat_id, store.vat_proofs(ctx.db, issuer_id, kept.vat_id), day).state == "VALID":
        kind, reason = ExceptionType.VAT_PROOF_OLD, "a proof was recorded"
        journal.resolve(ctx, issuer_id, kind, kept.vat_id, by="system:vat", reason=reason)
    return kept


def proofs(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> list[VatProof]:
    """The proofs of a contract's VAT ids and of the issuer's own, oldest first."""
    _, versions = contract(ctx, actor, issuer_id, contract_id)
    ids = {identity.issuer(ctx, issuer_id).vat_id, *(v.terms.counterparty.vat_id for v in versions)}
    found = [p for number in ids if number for p in store.vat_proofs(ctx.db, issuer_id, number)]
    return sorted(found, key=lambda p: (p.checked_on, p.vat_id, p.request_id))


def standings(ctx: Context, issuer: Issuer, terms: Terms, day: date) -> list[Standing]:
    """How the VAT ids of both parties stand on a day (D.2: both at issue); a party without one is not asked for."""
    numbers = [number for number in (issuer.vat_id, terms.counterparty.vat_id) if number]
    return [standing(number, store.vat_proofs(ctx.db, issuer.issuer_id, number), day) for number in numbers]
