"""Versions that start in the past, or today: proposed by one person, approved by two others (product.md row 31).

What such a version changes in sessions is computed and done by higher rooms; this one keeps the proposal, compares who
decides, and puts the version in force together with the fact that lets the others begin.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from roamclear.audit import service as audit
from roamclear.contracts import rules, store
from roamclear.contracts.model import Contract, Terms
from roamclear.contracts.proposals import (
    APPROVALS,
    LIFETIME,
    Approval,
    Proposal,
    ProposalState,
    Seen,
    as_version,
    changed_beside_prices,
    proposal_id,
)
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date, sort_instant
from roamclear.kernel.writes import Put, Table

_RACES = (Table.AUDIT, Table.CLEARING)


def propose(
    ctx: Context, actor: Actor, issuer_id: str, contract_id: str, *, valid_from: date, terms: Terms, reason: str
) -> Proposal:
    """Keep a back-dated version as a proposal; it is not in force and prices nothing.

    The same proposal of the same person again is the one that stands.

    Raises:
        InvalidInput: the day is not past or before the contract, the reason is missing, or more than prices changes.
        Conflict: the same proposal was decided already.
    """
    require_contract(authorise(actor, Right.CONTRACT_EDIT, issuer_id), contract_id)
    if not 3 <= len(reason.strip()) <= 1000:
        raise InvalidInput("give a reason of 3 to 1,000 characters", field="reason")
    head = _head(ctx, issuer_id, contract_id)
    _check(ctx, head, valid_from, terms)
    made = Proposal(
        issuer_id=issuer_id,
        contract_id=contract_id,
        proposal_id=proposal_id(contract_id, valid_from, terms, actor.actor_id, reason),
        valid_from=valid_from,
        terms=terms,
        author=actor.actor_id,
        reason=reason,
        proposed_at_utc=ctx.now(),
        expires_at_utc=ctx.now() + LIFETIME,
    )

    def attempt() -> Proposal:
        known = store.proposal(ctx.db, issuer_id, contract_id, made.proposal_id)
        if known is not None:
            if _seen(ctx, known).state is not ProposalState.PROPOSED:
                raise Conflict("this was proposed and decided; give another reason", state=_seen(ctx, known).state)
            return known
        details = {"proposal": made.proposal_id, "valid_from": valid_from, "terms": terms, "reason": reason}
        ctx.db.transact([store.proposal_put(made, None), _log(ctx, made, actor, "BACK_DATED_PROPOSED", details)])
        return made

    return again_on_race(attempt, tables=_RACES)


def proposal(ctx: Context, issuer_id: str, contract_id: str, wanted: str) -> Proposal:
    """One proposal as it reads now, or ``NotFound``."""
    found = store.proposal(ctx.db, issuer_id, contract_id, wanted)
    if found is None:
        raise NotFound("no such object")
    return _seen(ctx, found)


def proposals(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> list[Proposal]:
    """Every proposal of a contract, the latest first, for who may see how things were decided (never the eMSP)."""
    require_contract(authorise(actor, Right.AUDIT_VIEW, issuer_id), contract_id)
    found = [_seen(ctx, each) for each in store.proposals(ctx.db, issuer_id, contract_id)]
    return sorted(found, key=lambda each: sort_instant(each.proposed_at_utc), reverse=True)


def approve(
    ctx: Context,
    checker: Actor,
    issuer_id: str,
    contract_id: str,
    wanted: str,
    seen: Seen,
    delta: tuple[Money, ...] = (),
) -> Proposal:
    """Agree to a proposal as one preview showed it; the second person who does puts it in force.

    Both persons are neither the author nor each other, and both agree to the same preview: an approval of another one
    lapses. Once more by the same person changes nothing.

    Raises:
        Forbidden: the author decides.
        Conflict: the proposal is decided or has expired.
    """
    require_contract(authorise(checker, Right.CONTRACT_APPROVE, issuer_id), contract_id)

    def attempt() -> Proposal:
        known = _undecided(ctx, issuer_id, contract_id, wanted)
        if known.state is ProposalState.IN_FORCE:
            return known
        different_person(known.author, checker)
        standing = tuple(each for each in known.approvals if each.seen == seen)
        if any(each.actor_id == checker.actor_id for each in standing):
            return known
        given = (*standing, Approval(actor_id=checker.actor_id, at_utc=ctx.now(), seen=seen, delta=delta))
        made = known.model_copy(update={"approvals": given})
        if len(given) < APPROVALS:
            details = {"proposal": wanted, "seen": seen}
            log = _log(ctx, made, checker, "BACK_DATED_APPROVED", details)
            ctx.db.transact([store.proposal_put(made, known), log])
            return made
        return _put_in_force(ctx, checker, made, known)

    return again_on_race(attempt, tables=_RACES)


def reject(ctx: Context, checker: Actor, issuer_id: str, contract_id: str, wanted: str, reason: str) -> Proposal:
    """Refuse a proposal; its author may withdraw it too."""
    require_contract(authorise(checker, Right.AUDIT_VIEW, issuer_id), contract_id)
    known = _undecided(ctx, issuer_id, contract_id, wanted)
    right = Right.CONTRACT_EDIT if checker.actor_id == known.author else Right.CONTRACT_APPROVE
    authorise(checker, right, issuer_id)
    if not 3 <= len(reason.strip()) <= 1000:
        raise InvalidInput("give a reason of 3 to 1,000 characters", field="reason")

    def attempt() -> Proposal:
        known = _undecided(ctx, issuer_id, contract_id, wanted)
        if known.state is ProposalState.IN_FORCE:
            raise Conflict("this version is in force already")
        made = known.model_copy(
            update={
                "state": ProposalState.REJECTED,
                "decided_at_utc": ctx.now(),
                "decided_by": checker.actor_id,
                "decision": reason,
            }
        )
        log = _log(ctx, made, checker, "BACK_DATED_REJECTED", {"proposal": wanted, "reason": reason})
        ctx.db.transact([store.proposal_put(made, known), log])
        return made

    return again_on_race(attempt, tables=_RACES)


# ---- inside --------------------------------------------------------------------------------------------------------
def _put_in_force(ctx: Context, checker: Actor, made: Proposal, known: Proposal) -> Proposal:
    """One transaction: the version, its number on the head, the decision, and the facts that let others begin."""
    head = _head(ctx, made.issuer_id, made.contract_id)
    _check(ctx, head, made.valid_from, made.terms)
    number = head.version + 1
    version = as_version(made).model_copy(
        update={
            "version": number,
            "recorded_at_utc": ctx.now(),
            "author": made.author,
            "ends_on": head.valid_to,
        }
    )
    done = made.model_copy(
        update={
            "state": ProposalState.IN_FORCE,
            "version": number,
            "decided_at_utc": ctx.now(),
            "decided_by": checker.actor_id,
        }
    )
    details = {"proposal": made.proposal_id, "version": number, "approvals": [a.actor_id for a in made.approvals]}
    ctx.db.transact(
        [
            *store.publish_writes(head.model_copy(update={"version": number}), version, head),
            store.proposal_put(done, known),
            store.backdated_fact(done, ctx.now()),
            _log(ctx, made, checker, "BACK_DATED_PUBLISHED", details),
        ]
    )
    return done


def _check(ctx: Context, head: Contract, valid_from: date, terms: Terms) -> None:
    if head.status != "ACTIVE":
        raise Conflict("a contract that is not in use needs no back-dated version", status=head.status)
    if valid_from > local_date(ctx.now(), head.zone):
        raise InvalidInput("this version starts later: publish it as it is", field="valid_from")
    if valid_from < head.valid_from:
        raise InvalidInput("a version does not start before its contract", field="valid_from")
    versions = store.versions(ctx.db, head.issuer_id, head.contract_id)
    base = rules.in_force(versions, valid_from) or versions[0]
    others = changed_beside_prices(terms, base.terms)
    if others:
        told = f"a back-dated version changes prices only; {others[0]} differs from version {base.version}"
        raise InvalidInput(told, field=others[0])


def _head(ctx: Context, issuer_id: str, contract_id: str) -> Contract:
    found = store.find(ctx.db, issuer_id, contract_id)
    if found is None:
        raise NotFound("no such contract")
    return found


def _seen(ctx: Context, known: Proposal) -> Proposal:
    if known.state is ProposalState.PROPOSED and ctx.now() >= known.expires_at_utc:
        return known.model_copy(update={"state": ProposalState.EXPIRED})
    return known


def _undecided(ctx: Context, issuer_id: str, contract_id: str, wanted: str) -> Proposal:
    """A proposal that may still be decided, or is in force (the caller was here before)."""
    known = proposal(ctx, issuer_id, contract_id, wanted)
    if known.state in (ProposalState.REJECTED, ProposalState.EXPIRED):
        raise Conflict(f"this proposal is {known.state.value}", state=known.state.value)
    return known


def _log(ctx: Context, made: Proposal, actor: Actor, action: str, details: dict[str, Any]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="CONTRACT",
        object_id=made.contract_id,
        actor_id=actor.actor_id,
        action=action,
        details=details,
    )
