"""Payout accounts: versions that never change, and two persons before any bank detail counts (rules.md 10, fraud)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from roamclear.audit import service as audit
from roamclear.evses import rules, store
from roamclear.evses.model import (
    AccountKind,
    AccountTerms,
    AccountVersion,
    KnownAccount,
    PayoutAccount,
    Proposal,
    Unpaid,
)
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person, require_account
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, NotFound, Stale
from roamclear.kernel.ids import iban
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Table

_RACES = (Table.AUDIT, Table.CLEARING)
_KIND = "PAYOUT_ACCOUNT"


def create_account(
    ctx: Context, maker: Actor, issuer_id: str, account_id: str, name: str, terms: AccountTerms
) -> PayoutAccount:
    """Open an account. EVSEs may be assigned at once; an EXTERNAL one is not payable until another person approves."""
    authorise(maker, Right.ACCOUNT_PREPARE, issuer_id)

    def attempt() -> PayoutAccount:
        if store.account(ctx.db, issuer_id, account_id) is not None:
            raise Conflict("this payout account exists; propose a change of it", rule="ACCOUNT_EXISTS")
        now = ctx.now()
        head = PayoutAccount(
            issuer_id=issuer_id,
            account_id=account_id,
            name=name,
            kind=terms.kind,
            currency=terms.currency,
            created_at_utc=now,
            created_by=maker.actor_id,
        )
        version = AccountVersion(
            issuer_id=issuer_id,
            account_id=account_id,
            version=1,
            terms=terms,
            author=maker.actor_id,
            recorded_at_utc=now,
        )
        told = _told(head, now, "CREATED", 1, 1)
        log = _log(ctx, head, maker, "CREATED", {"terms": terms})
        ctx.db.transact([*store.account_puts(head, None, now), store.version_put(version), told, log])
        return head

    return again_on_race(attempt, tables=_RACES)


def propose_change(
    ctx: Context, maker: Actor, issuer_id: str, account_id: str, terms: AccountTerms, *, if_match: int | None = None
) -> Proposal:
    """Ask for new terms; nothing changes before another person approves. A newer proposal replaces an older one.

    The change is written as the fact ``account.changed``; mailing it to the old contact is not built yet (rules.md 10).
    """
    authorise(maker, Right.ACCOUNT_PREPARE, issuer_id)

    def attempt() -> Proposal:
        head, current = _current(ctx, issuer_id, account_id)
        _expect(head, if_match)
        if terms.kind is not head.kind or terms.currency != head.currency:
            raise Conflict("kind and currency of an account are fixed", rule="FIXED_ACCOUNT")
        made = Proposal(
            issuer_id=issuer_id,
            account_id=account_id,
            base_version=head.version,
            terms=terms,
            maker=maker.actor_id,
            asked_at_utc=ctx.now(),
        )
        actions: list[Action] = [
            store.proposal_put(made),
            _log(ctx, head, maker, "CHANGE_PROPOSED", {"base_version": head.version, "terms": terms}),
        ]
        if terms.pays_to != current.terms.pays_to:
            actions.append(_told(head, ctx.now(), "IBAN_REQUESTED", head.version, None))
        ctx.db.transact(actions)
        return made

    return again_on_race(attempt, tables=_RACES)


def approve_account(
    ctx: Context, checker: Actor, issuer_id: str, account_id: str, *, seen: datetime | None = None
) -> PayoutAccount:
    """A second person approves the waiting change, or the bank details of a new account.

    ``seen`` is ``asked_at_utc`` of the change that was looked at: one that came in between is not approved with it.
    New bank details are not paid to before 72 hours have passed (rules.md 10).
    """
    authorise(checker, Right.ACCOUNT_APPROVE, issuer_id)
    changed: list[str] = []

    def attempt() -> PayoutAccount:
        changed.clear()
        head, current = _current(ctx, issuer_id, account_id)
        asked = store.proposal(ctx.db, issuer_id, account_id)
        if seen is not None and (asked is None or asked.asked_at_utc != seen):
            raise Conflict("the change that was looked at is not the one that waits", rule="STALE_PROPOSAL")
        if asked is None:
            return _first_approval(ctx, checker, head)
        different_person(asked.maker, checker)
        if asked.base_version != head.version:
            raise Conflict("the account changed since; propose again", rule="STALE_PROPOSAL")
        number, now = head.version + 1, ctx.now()
        moved = asked.terms.pays_to != current.terms.pays_to
        update: dict[str, object] = {"version": number}
        if moved or head.payable_from_utc is None:
            if head.payable_from_utc is None and not moved:
                different_person(head.created_by, checker)
            update |= {"iban_version": number, "payable_from_utc": _cooled(head, now)}
        made = head.model_copy(update=update)
        version = AccountVersion(
            issuer_id=issuer_id,
            account_id=account_id,
            version=number,
            terms=asked.terms,
            author=asked.maker,
            approver=checker.actor_id,
            recorded_at_utc=now,
        )
        details = {"version": number, "maker": asked.maker, "payable_from_utc": made.payable_from_utc}
        actions: list[Action] = [
            *store.account_puts(made, head, now),
            store.version_put(version),
            store.proposal_remove(asked),
            _told(made, now, "IBAN_APPLIED" if moved else "CHANGED", current.version, number),
            _log(ctx, head, checker, "CHANGE_APPROVED", details),
        ]
        ctx.db.transact(actions)
        if moved:
            changed.append(f"{iban.mask(current.terms.iban or '')} -> {iban.mask(asked.terms.iban or '')}")
        return made

    made = again_on_race(attempt, tables=_RACES)
    if changed:
        journal.raise_once(
            ctx, issuer_id, ExceptionType.IBAN_CHANGED, f"{account_id}#{made.version}",
            f"bank details of {account_id} changed; not paid to for 72 hours", severity="INFO",
            details={"account_id": account_id, "change": changed[0]},
        )  # fmt: skip
    return made


def refuse_change(ctx: Context, checker: Actor, issuer_id: str, account_id: str) -> None:
    """Take a waiting change away; its maker may do so too."""
    authorise(checker, Right.ACCOUNT_VIEW, issuer_id)
    asked = store.proposal(ctx.db, issuer_id, account_id)
    if asked is None or asked.maker != checker.actor_id:
        authorise(checker, Right.ACCOUNT_APPROVE, issuer_id)
    if asked is None:
        raise NotFound("no change is waiting")
    head, _ = _current(ctx, issuer_id, account_id)
    again_on_race(
        lambda: ctx.db.transact(
            [store.proposal_remove(asked), _log(ctx, head, checker, "CHANGE_REFUSED", {"maker": asked.maker})]
        )
    )


def deactivate_account(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    account_id: str,
    unpaid: Unpaid = Unpaid.FREEZE,
    *,
    if_match: int | None = None,
) -> PayoutAccount:
    """One write on the account: its EVSEs read as unassigned at once, their rows follow (product.md row 100)."""
    authorise(actor, Right.ACCOUNT_PREPARE, issuer_id)

    def attempt() -> PayoutAccount:
        head, _ = _current(ctx, issuer_id, account_id)
        if not head.active:
            return head
        _expect(head, if_match)
        made = head.model_copy(update={"active": False, "unpaid": unpaid})
        payload = {"account_id": account_id, "unpaid": unpaid.value}
        told = store.fact(issuer_id, ctx.now(), "account.deactivated", f"{account_id}#{head.changed}", payload)
        log = _log(ctx, head, actor, "DEACTIVATED", payload)
        ctx.db.transact([*store.account_puts(made, head, ctx.now()), told, log])
        return made

    return again_on_race(attempt, tables=_RACES)


def reactivate_account(ctx: Context, checker: Actor, issuer_id: str, account_id: str) -> PayoutAccount:
    """Open an account again; approved bank details cool off anew, its EVSEs are assigned anew."""
    authorise(checker, Right.ACCOUNT_APPROVE, issuer_id)

    def attempt() -> PayoutAccount:
        head, _ = _current(ctx, issuer_id, account_id)
        if head.active:
            return head
        cooled = _cooled(head, ctx.now()) if head.payable_from_utc else None
        made = head.model_copy(update={"active": True, "payable_from_utc": cooled})
        ctx.db.transact([*store.account_puts(made, head, ctx.now()), _log(ctx, head, checker, "REACTIVATED", {})])
        return made

    return again_on_race(attempt, tables=_RACES)


# ---- reading -------------------------------------------------------------------------------------------------------
def _expect(head: PayoutAccount, if_match: int | None) -> None:
    """Refuse a change by somebody who read another state of the account."""
    if if_match is not None and head.changed != if_match:
        raise Stale("the account was changed since it was read", changed=head.changed)


def account(
    ctx: Context, actor: Actor, issuer_id: str, account_id: str
) -> tuple[PayoutAccount, list[AccountVersion], Proposal | None]:
    """An account with its versions and the change that waits, for who may see it."""
    require_account(authorise(actor, Right.ACCOUNT_VIEW, issuer_id), account_id)
    head, _ = _current(ctx, issuer_id, account_id)
    return head, store.versions(ctx.db, issuer_id, account_id), store.proposal(ctx.db, issuer_id, account_id)


def account_at(
    ctx: Context, actor: Actor, issuer_id: str, account_id: str, as_of: datetime, known: datetime
) -> KnownAccount:
    """An account as it was at an instant, by what had been recorded until another one (B11).

    What an account is follows from what was recorded: nothing of it begins before it was, but bank details cool off.

    Raises:
        NotFound: nothing was recorded by then, or the account is not the actor's.
    """
    require_account(authorise(actor, Right.ACCOUNT_VIEW, issuer_id), account_id)
    until = min(as_of, known)
    recorded = tuple(v for v in store.versions(ctx.db, issuer_id, account_id) if v.recorded_at_utc <= known)
    states = [s for s in store.account_states(ctx.db, issuer_id, account_id) if s.recorded_at_utc <= until]
    if not states:
        raise NotFound("no such object")
    head = states[-1].head
    return KnownAccount(
        account=head,
        as_of_utc=as_of,
        known_at_utc=known,
        payable=head.payable(as_of),
        in_force=next(v for v in recorded if v.version == head.version),
        versions=recorded,
    )


def accounts(ctx: Context, actor: Actor, issuer_id: str) -> list[PayoutAccount]:
    """The accounts an actor may see, by id."""
    scope = authorise(actor, Right.ACCOUNT_VIEW, issuer_id)
    heads = store.accounts(ctx.db, issuer_id)
    return [head for head in heads if scope.account_ids is None or head.account_id in scope.account_ids]


def account_heads(ctx: Context, issuer_id: str) -> list[PayoutAccount]:
    """Every account of an issuer (schedules and streams)."""
    return store.accounts(ctx.db, issuer_id)


def account_head(ctx: Context, issuer_id: str, account_id: str) -> PayoutAccount:
    """One account's head, or ``NotFound``."""
    found = store.account(ctx.db, issuer_id, account_id)
    if found is None:
        raise NotFound("no such payout account")
    return found


def account_version(ctx: Context, issuer_id: str, account_id: str, number: int) -> AccountVersion:
    """One version by number, or ``NotFound``."""
    found = store.version(ctx.db, issuer_id, account_id, number)
    if found is None:
        raise NotFound("no such account version")
    return found


def versions_by(
    ctx: Context, issuer_id: str, wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], AccountVersion]:
    """Versions of many accounts by account and number; what does not exist is not in the answer."""
    found = store.account_versions(ctx.db, issuer_id, wanted)
    return {(each.account_id, each.version): each for each in found}


def account_versions(ctx: Context, issuer_id: str, account_id: str) -> list[AccountVersion]:
    """All versions of an account, oldest first."""
    return store.versions(ctx.db, issuer_id, account_id)


# ---- inside --------------------------------------------------------------------------------------------------------
def _current(ctx: Context, issuer_id: str, account_id: str) -> tuple[PayoutAccount, AccountVersion]:
    head = account_head(ctx, issuer_id, account_id)
    return head, account_version(ctx, issuer_id, account_id, head.version)


def _first_approval(ctx: Context, checker: Actor, head: PayoutAccount) -> PayoutAccount:
    if head.kind is AccountKind.OWN or head.payable_from_utc is not None:
        raise Conflict("nothing waits for an approval", rule="NOTHING_TO_APPROVE")
    different_person(head.created_by, checker)
    made = head.model_copy(update={"payable_from_utc": _cooled(head, ctx.now())})
    log = _log(ctx, head, checker, "APPROVED", {"payable_from_utc": made.payable_from_utc})
    ctx.db.transact(
        [*store.account_puts(made, head, ctx.now()), _told(made, ctx.now(), "APPROVED", 1, head.version), log]
    )
    return made


def _cooled(head: PayoutAccount, now: datetime) -> datetime | None:
    return now + rules.COOLING_OFF if head.kind is AccountKind.EXTERNAL else None


def _told(head: PayoutAccount, at: datetime, what: str, old: int, new: int | None) -> Action:
    """The fact of which old and new contacts are told; it names versions, never bank details or addresses."""
    payload = {"account_id": head.account_id, "change": what, "old_version": old, "new_version": new}
    return store.fact(head.issuer_id, at, "account.changed", f"{head.account_id}#{what}#{head.changed}", payload)


def _log(ctx: Context, head: PayoutAccount, actor: Actor, action: str, details: Mapping[str, object]) -> Action:
    return audit.entry(
        ctx, issuer_id=head.issuer_id, kind=_KIND, object_id=head.account_id, actor_id=actor.actor_id,
        action=action, details=dict(details),
    )  # fmt: skip
