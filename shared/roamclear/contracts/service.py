"""Publishing contracts and finding the one of a session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from roamclear.audit import service as audit
from roamclear.contracts import checks, matching, rules, store
from roamclear.contracts.model import Contract, ContractVersion, KnownContract, Match, Terms
from roamclear.contracts.proposals import PRICE_FIELDS
from roamclear.contracts.vat import VatTreatment
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound, Stale
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date

Live = tuple[str, Terms]


def publish(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    contract_id: str,
    *,
    name: str,
    valid_from: date,
    terms: Terms,
    valid_to: date | None = None,
    if_match: int | None = None,
) -> Contract:
    """Create a contract or add a version that takes effect on ``valid_from``.

    An incomplete contract is a DRAFT: kept, not used for billing, and it says what is missing (row 17). Sessions that
    started before keep the version they had (row 30). A version may not start on a past day, nor change prices from
    today on, for sessions started this morning: a back-dated change needs an impact preview and two approvals
    (``backdated``). ``if_match`` is the state the actor read: another one is
    ``Stale``.
    """
    authorise(actor, Right.CONTRACT_EDIT, issuer_id)
    if valid_to is not None and valid_to <= valid_from:
        raise InvalidInput("valid_to lies after valid_from", field="valid_to")
    issuer = identity.issuer(ctx, issuer_id)
    day = max(valid_from, local_date(ctx.now(), terms.zone))
    absent = checks.missing(terms, issuer, day)

    def attempt() -> Contract:
        known = store.find(ctx.db, issuer_id, contract_id)
        expect(known, if_match)
        if known is not None:
            _follows(ctx, known, valid_from, terms, absent)
        number = known.version + 1 if known else 1
        made = ContractVersion(
            issuer_id=issuer_id,
            contract_id=contract_id,
            version=number,
            valid_from=valid_from,
            terms=terms,
            author=actor.actor_id,
            recorded_at_utc=ctx.now(),
            findings=tuple(checks.findings(terms, issuer, day)),
            ends_on=valid_to,
        )
        head = Contract(
            issuer_id=issuer_id,
            contract_id=contract_id,
            name=name,
            valid_from=known.valid_from if known else valid_from,
            valid_to=valid_to,
            status="DRAFT" if absent else "ACTIVE",
            missing=tuple(absent),
            version=number,
            zone=terms.zone,
            frequency=terms.frequency,
            cycle_start=terms.cycle_start,
            party_ids=terms.party_ids,
            suspended_at_utc=known.suspended_at_utc if known else None,
            changed=known.changed + 1 if known else 0,
        )
        details = {"version": number, "valid_from": valid_from, "terms": terms}
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="CONTRACT", object_id=contract_id, actor_id=actor.actor_id,
            action="VERSION_PUBLISHED", details=details,
        )  # fmt: skip
        ctx.db.transact([*store.publish_writes(head, made, known), log])
        return head

    return again_on_race(attempt)


def _follows(ctx: Context, known: Contract, valid_from: date, terms: Terms, absent: list[str]) -> None:
    """Refuse a version that does not follow from what a contract is already."""
    if absent and known.status == "ACTIVE":
        raise InvalidInput(f"a contract in use needs {absent[0]}", field=absent[0])
    today = local_date(ctx.now(), known.zone)
    if known.status == "ACTIVE" and (valid_from < today or (valid_from == today and _reprices(ctx, known, terms))):
        raise Conflict("a version of days that began is proposed and approved by two persons", rule="BACK_DATED")
    if (terms.zone, terms.frequency, terms.cycle_start) != (known.zone, known.frequency, known.cycle_start):
        raise Conflict("zone, frequency and cycle of a contract are fixed", rule="FIXED_CALENDAR")
    latest = store.version(ctx.db, known.issuer_id, known.contract_id, known.version)
    if latest is not None and latest.terms.direction is not terms.direction:
        raise Conflict("the direction of a contract is fixed; make another contract", rule="FIXED_DIRECTION")
    if latest is not None and latest.terms.currency != terms.currency:
        raise Conflict("the currency of a contract is fixed; make another contract", rule="FIXED_CURRENCY")


def _reprices(ctx: Context, known: Contract, terms: Terms) -> bool:
    """Whether terms that start today give another price to what started today already."""
    today = local_date(ctx.now(), known.zone)
    if today < known.valid_from:
        return False
    present = rules.in_force(store.versions(ctx.db, known.issuer_id, known.contract_id), today)
    return present is not None and any(getattr(terms, f) != getattr(present.terms, f) for f in PRICE_FIELDS)


def is_known(ctx: Context, issuer_id: str, contract_id: str) -> bool:
    """Whether there is such a contract."""
    return store.find(ctx.db, issuer_id, contract_id) is not None


def expect(known: Contract | None, if_match: int | None) -> None:
    """Refuse a change by somebody who read another state of the contract.

    Raises:
        Stale: the contract is not in the state ``if_match`` counts.
    """
    if if_match is not None and (known is None or known.changed != if_match):
        raise Stale("the contract was changed since it was read", changed=known.changed if known else None)


def contract(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> tuple[Contract, list[ContractVersion]]:
    """A contract with its versions, for who may see it."""
    require_contract(authorise(actor, Right.CONTRACT_VIEW, issuer_id), contract_id)
    head = store.find(ctx.db, issuer_id, contract_id)
    if head is None:
        raise NotFound("no such contract")
    return head, store.versions(ctx.db, issuer_id, contract_id)


def contracts(ctx: Context, actor: Actor, issuer_id: str) -> list[Contract]:
    """The contracts an actor may see."""
    scope = authorise(actor, Right.CONTRACT_VIEW, issuer_id)
    heads = store.all_heads(ctx.db, issuer_id)
    return [h for h in heads if scope.contract_ids is None or h.contract_id in scope.contract_ids]


def heads(ctx: Context, issuer_id: str) -> list[Contract]:
    """Every contract of an issuer (schedules and workflow steps)."""
    return list(store.all_heads(ctx.db, issuer_id))


def head(ctx: Context, issuer_id: str, contract_id: str) -> Contract:
    """One contract's head, or ``NotFound``."""
    found = store.find(ctx.db, issuer_id, contract_id)
    if found is None:
        raise NotFound("no such contract")
    return found


def version(ctx: Context, issuer_id: str, contract_id: str, number: int) -> ContractVersion:
    """One version by number, or ``NotFound``."""
    found = store.version(ctx.db, issuer_id, contract_id, number)
    if found is None:
        raise NotFound("no such contract version")
    return found


def versions(ctx: Context, issuer_id: str, contract_id: str) -> list[ContractVersion]:
    """Every version of a contract, by number."""
    return store.versions(ctx.db, issuer_id, contract_id)


def vat_of(ctx: Context, version: ContractVersion, country: str, stop: datetime) -> VatTreatment | None:
    """The VAT of a session that a version prices; None is VAT_MISSING: held, never 0 % (product.md row 131)."""
    found = rules.vat_of(version, country, stop)
    if found is not None:
        return found
    return rules.vat_filled(version, versions(ctx, version.issuer_id, version.contract_id), country, stop)


def terms_at(ctx: Context, issuer_id: str, contract_id: str, day: date) -> ContractVersion:
    """The version in force on a local day; before the first one, the first."""
    known = store.versions(ctx.db, issuer_id, contract_id)
    if not known:
        raise NotFound("no such contract")
    return rules.in_force(known, day) or known[0]


def terms_now(ctx: Context, issuer_id: str, contract_id: str) -> Terms:
    """The terms in force today: neither those of a later day, nor those published last for past ones."""
    known = head(ctx, issuer_id, contract_id)
    return terms_at(ctx, issuer_id, contract_id, local_date(ctx.now(), known.zone)).terms


def live_terms(ctx: Context, issuer_id: str, day: date, after_end: timedelta = timedelta(0)) -> Iterator[Live]:
    """Contract id and terms of every version in force on a day or later, of contracts that have not ended long ago."""
    for known in store.all_heads(ctx.db, issuer_id):
        if known.valid_to is not None and known.valid_to + after_end <= day:
            continue
        every = store.versions(ctx.db, issuer_id, known.contract_id)
        now = rules.in_force(every, day)
        for each in [*([now] if now else []), *(v for v in every if v.valid_from > day)]:
            yield known.contract_id, each.terms


def known_at(
    ctx: Context, actor: Actor, issuer_id: str, contract_id: str, as_of: datetime, known: datetime
) -> KnownContract:
    """What was in force of a contract at an instant, by what had been recorded until another one (B11).

    Raises:
        NotFound: nothing was recorded by then, or the contract is not the actor's.
    """
    head, every = contract(ctx, actor, issuer_id, contract_id)
    recorded = tuple(v for v in every if v.recorded_at_utc <= known)
    if not recorded:
        raise NotFound("no such object")
    ends = recorded[-1].ends_on
    day = local_date(as_of, head.zone)
    return KnownContract(
        contract_id=contract_id,
        as_of_utc=as_of,
        known_at_utc=known,
        valid_from=head.valid_from,
        valid_to=ends,
        in_force=None if ends is not None and day >= ends else rules.in_force(recorded, day),
        versions=recorded,
    )


def match(ctx: Context, issuer_id: str, cpo_party: str, emsp_party: str, start: datetime) -> Match:
    """Which contract a session belongs to, by its parties and its start."""
    party, direction = matching.decisive(ctx, issuer_id, cpo_party, emsp_party)
    return rules.match(matching.candidates(ctx, issuer_id, party, direction), party, start, ctx.now())
