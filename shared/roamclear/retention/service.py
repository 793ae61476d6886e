"""Putting what must be kept under its term, and choosing terms (product.md rows 138 and 139, D.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from itertools import groupby

from roamclear.audit import service as audit
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person
from roamclear.kernel.context import Context, Row, StoredObject
from roamclear.kernel.errors import Conflict, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Put
from roamclear.retention import rules, store
from roamclear.retention.model import IssuerTold, RetentionChoice, RetentionTerms, RetentionTold

#: The platform's own rows have no issuer and so no country.
_PLATFORM = "@"


def until(ctx: Context, issuer_id: str) -> datetime | None:
    """Until when an object that is put now stays locked.

    None leaves it to the bucket's own default: stages whose lock is one day (rules.md 10), and the platform's rows.
    The default is the floor: a term counts whole years behind the current one, so it never ends before.
    """
    if ctx.lock_mode != "COMPLIANCE" or issuer_id == _PLATFORM:
        return None
    try:
        found = terms(ctx, issuer_id)
    except NotFound:
        return None  # the first roles of an issuer are audited before its row stands
    return rules.end_of(found.document_years, ctx.now(), found.zone)


def put(ctx: Context, issuer_id: str, bucket: str, key: str, body: bytes, content_type: str) -> StoredObject:
    """Put an object that the issuer must keep; the same bytes again keep the term they were given."""
    return ctx.objects.put(bucket, key, body, content_type, retain_until=until(ctx, issuer_id))


def keep_entries(ctx: Context, rows: Iterable[Row]) -> int:
    """Copy ledger and audit entries, each for the term of its issuer; returns how many."""
    count = 0
    for issuer_id, own in groupby(sorted(rows, key=_issuer_of), key=_issuer_of):
        count += store.keep(ctx, own, until(ctx, issuer_id))
    return count


def terms(ctx: Context, issuer_id: str, day: date | None = None) -> RetentionTerms:
    """What is in force for an issuer on a day (today)."""
    issuer = identity.issuer(ctx, issuer_id)
    wanted = day or local_date(ctx.now(), issuer.zone)
    return rules.terms(issuer_id, issuer.address.country, issuer.zone, store.choices(ctx.db, issuer_id), wanted)


def shown(ctx: Context, actor: Actor, issuer_id: str) -> RetentionTold:
    """The terms in force, until when what is put today is locked, and everything that was chosen."""
    authorise(actor, Right.CONTRACT_VIEW, issuer_id)
    found = terms(ctx, issuer_id).model_copy(update={"locked_until_utc": until(ctx, issuer_id)})
    return RetentionTold(in_force=found, lock_mode=ctx.lock_mode, choices=tuple(store.choices(ctx.db, issuer_id)))


def issuer_told(ctx: Context, issuer_id: str) -> IssuerTold:
    """The issuer's settings with the terms that are in force."""
    found = terms(ctx, issuer_id).model_copy(update={"locked_until_utc": until(ctx, issuer_id)})
    return IssuerTold(**identity.issuer(ctx, issuer_id).model_dump(), retention=found)


def propose(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    *,
    valid_from: date,
    document_years: int | None,
    detail_months: int | None,
    reason: str,
) -> RetentionChoice:
    """Keep a choice until a second person decides; the same again is the one that stands.

    Raises:
        InvalidInput: it begins in the past or is shorter than the law.
    """
    authorise(actor, Right.ISSUER_EDIT, issuer_id)
    issuer = identity.issuer(ctx, issuer_id)
    text = "|".join(str(v) for v in (valid_from, document_years, detail_months, reason, actor.actor_id))
    made = RetentionChoice(
        issuer_id=issuer_id,
        choice_id=hashlib.sha256(text.encode()).hexdigest()[:16],
        valid_from=valid_from,
        document_years=document_years,
        detail_months=detail_months,
        reason=reason,
        made_by=actor.actor_id,
        made_at_utc=ctx.now(),
    )
    rules.require(made, issuer.address.country, local_date(ctx.now(), issuer.zone))

    def attempt() -> RetentionChoice:
        known = next((c for c in store.choices(ctx.db, issuer_id) if c.choice_id == made.choice_id), None)
        if known is not None:
            return known
        ctx.db.transact([store.choice_put(made), _log(ctx, actor, made, "RETENTION_PROPOSED")])
        return made

    return again_on_race(attempt)


def approve(ctx: Context, actor: Actor, issuer_id: str, choice_id: str) -> RetentionChoice:
    """A second person puts a choice in force from its day on; what is locked already is never shortened by it.

    Raises:
        Conflict: it was withdrawn, or its day has passed without a decision.
        Forbidden: the maker may not check.
    """
    authorise(actor, Right.RETENTION_APPROVE, issuer_id)
    known = _known(ctx, issuer_id, choice_id)
    different_person(known.made_by, actor)
    if known.state == "APPROVED":
        return known
    issuer = identity.issuer(ctx, issuer_id)
    if known.state != "PROPOSED" or known.valid_from < local_date(ctx.now(), issuer.zone):
        raise Conflict("these terms are not open for approval", state=known.state)
    return _decide(ctx, actor, known, "APPROVED")


def withdraw(ctx: Context, actor: Actor, issuer_id: str, choice_id: str) -> RetentionChoice:
    """Whoever may propose stops a proposal; what was approved is answered by a new choice."""
    authorise(actor, Right.ISSUER_EDIT, issuer_id)
    known = _known(ctx, issuer_id, choice_id)
    if known.state == "APPROVED":
        raise Conflict("these terms were approved; propose others", state=known.state)
    return known if known.state == "WITHDRAWN" else _decide(ctx, actor, known, "WITHDRAWN")


def _decide(ctx: Context, actor: Actor, known: RetentionChoice, state: str) -> RetentionChoice:
    made = known.model_copy(update={"state": state, "decided_by": actor.actor_id, "decided_at_utc": ctx.now()})

    def attempt() -> RetentionChoice:
        ctx.db.transact([store.choice_put(made, over=known), _log(ctx, actor, made, f"RETENTION_{state}")])
        return made

    return again_on_race(attempt)


def _known(ctx: Context, issuer_id: str, choice_id: str) -> RetentionChoice:
    found = next((c for c in store.choices(ctx.db, issuer_id) if c.choice_id == choice_id), None)
    if found is None:
        raise NotFound("no such object")
    return found


def _log(ctx: Context, actor: Actor, made: RetentionChoice, action: str) -> Put:
    return audit.entry(
        ctx, issuer_id=made.issuer_id, kind="ISSUER", object_id=made.issuer_id, actor_id=actor.actor_id,
        action=action, details=made.dump(),
    )  # fmt: skip


def _issuer_of(row: Row) -> str:
    return str(row["pk"]).split("#", 1)[0]
