"""A session's life, seen from outside the room: receive a body, process it, read it, move it along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roamclear.cdrs import store
from roamclear.cdrs.lists import ListSum, list_sums
from roamclear.cdrs.model import WAITING, Billing, Original, Rating, Receipt, Session
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import ConditionFailed, NotFound
from roamclear.kernel.lazy import exports
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked, Cut
from roamclear.kernel.writes import Check, Put

if TYPE_CHECKING:
    from roamclear.cdrs.lateness import consent as consent
    from roamclear.cdrs.processing import expire as expire
    from roamclear.cdrs.processing import process as process
    from roamclear.cdrs.processing import retry_contract as retry_contract
    from roamclear.cdrs.processing import retry_evse as retry_evse
    from roamclear.cdrs.processing import retry_waiting as retry_waiting
    from roamclear.cdrs.processing import sweep as sweep
    from roamclear.cdrs.processing import sweep_again as sweep_again
    from roamclear.cdrs.rerating import invalidate as invalidate
    from roamclear.cdrs.rerating import rerate as rerate
    from roamclear.cdrs.rules import Finding
    from roamclear.rating.model import ChargeRecord
else:
    # The OCPI endpoint only receives: what prices and judges a body is imported where it is used.
    __getattr__ = exports(
        __name__,
        {
            "roamclear.cdrs.processing": (
                "expire",
                "process",
                "retry_contract",
                "retry_evse",
                "retry_waiting",
                "sweep",
                "sweep_again",
            ),
            "roamclear.cdrs.lateness": ("consent",),
            "roamclear.cdrs.rerating": ("invalidate", "rerate"),
        },
    )


def receive(ctx: Context, body: Original) -> Receipt:
    """Keep a CDR body by one conditional write (rules.md 4).

    The same content again is a REPEAT and changes nothing; other content under the same id is a CONFLICT: the first
    body stays, the differing one is kept beside it and becomes an exception on the stream.
    """
    for part in store.part_puts(body):
        ctx.db.write(part)
    try:
        ctx.db.write(store.original_put(body))
        return Receipt.NEW
    except ConditionFailed as lost:
        if lost.current is not None and lost.current.get("content_hash") == body.content_hash:
            return Receipt.REPEAT
    ctx.db.write(store.conflict_put(body))
    return Receipt.CONFLICT


def rule_results(charge: ChargeRecord, received_at: datetime) -> dict[str, list[Finding]]:
    """What each plausibility rule says of one CDR under the usual thresholds, before any contract is known."""
    from roamclear.cdrs import rules

    return rules.by_rule(charge, rules.Thresholds(), received_at=received_at)


def rule_book() -> dict[str, Any]:
    """The plausibility checks by name with what each asks, and the usual thresholds."""
    from roamclear.cdrs import rules

    asks = {rule.__name__.lstrip("_"): (rule.__doc__ or "").splitlines()[0] for rule in rules.RULES}
    return {"checks": asks, "thresholds": rules.Thresholds().dump()}


def original(ctx: Context, issuer_id: str, cdr_ref: str) -> Original | None:
    """The body of a CDR as it came, or None."""
    return store.original(ctx.db, issuer_id, cdr_ref)


def originals(ctx: Context, issuer_id: str, refs: Iterable[str]) -> dict[str, Original]:
    """Bodies by reference."""
    return store.originals(ctx.db, issuer_id, refs)


def session(ctx: Context, issuer_id: str, cdr_ref: str) -> Session | None:
    """What the clearing knows of a CDR, or None before it was processed."""
    return store.session(ctx.db, issuer_id, cdr_ref)


def sessions(ctx: Context, issuer_id: str, refs: Iterable[str]) -> dict[str, Session]:
    """Sessions by reference."""
    return store.sessions(ctx.db, issuer_id, refs)


def rating(ctx: Context, issuer_id: str, cdr_ref: str, version: int) -> Rating | None:
    """One rating with its trace, or None."""
    return store.rating(ctx.db, issuer_id, cdr_ref, version)


def ratings(ctx: Context, issuer_id: str, members: Iterable[Session]) -> dict[str, Rating]:
    """The rating that counts for each session, by reference."""
    wanted = [(s.cdr_ref, s.rating_version) for s in members if s.rating_version > 0]
    return store.ratings(ctx.db, issuer_id, wanted)


def verified_refs(ctx: Context, issuer_id: str, contract_id: str, stop_before: datetime) -> Iterator[str]:
    """References of a contract's VERIFIED sessions in no run that stopped before an instant, in order of stop."""
    return store.unbilled_refs(ctx.db, issuer_id, contract_id, Billing.VERIFIED, stop_before=stop_before)


def unbilled_page(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    billing: Billing,
    contract_id: str | None,
    asked: Asked,
    route: str | None = None,
) -> Cut[Session]:
    """A page of one of the lists Rated / On hold / Not rated of a contract, or of none (None); of one route only."""
    require_contract(authorise(actor, Right.CDR_VIEW, issuer_id), contract_id)
    return store.unbilled_page(ctx.db, issuer_id, contract_id, billing, asked, route)


def waiting(ctx: Context, issuer_id: str, contract_id: str) -> Iterator[Session]:
    """Sessions of a contract that are on hold or not rated."""
    for state in WAITING:
        refs = list(store.unbilled_refs(ctx.db, issuer_id, contract_id, state))
        yield from store.sessions(ctx.db, issuer_id, refs).values()


def summary(ctx: Context, actor: Actor, issuer_id: str, route: str | None = None) -> list[ListSum]:
    """The three lists per contract and currency, each with its totals per route (product.md rows 8 and 13).

    A CDR is in exactly one list; ``route`` counts only what came that way. Amounts are ours where a session is priced,
    else what the CPO claims, shown as claimed.
    """
    # The OCPI endpoint, which only receives, loads none of it.
    from roamclear.contracts import service as contracts

    scope = authorise(actor, Right.CDR_VIEW, issuer_id)
    known: list[str | None] = [head.contract_id for head in contracts.heads(ctx, issuer_id)]
    wanted = [c for c in [None, *known] if scope.contract_ids is None or c in scope.contract_ids]
    found = []
    for contract_id in wanted:
        for state in (*WAITING, Billing.VERIFIED):
            refs = list(store.unbilled_refs(ctx.db, issuer_id, contract_id, state))
            rows = store.sessions(ctx.db, issuer_id, refs, consistent=False).values()
            meant = [s for s in rows if s.billing is state and route in (None, s.route)]
            found += list_sums(contract_id, state, meant)
    return found


def trace(ctx: Context, actor: Actor, issuer_id: str, cdr_ref: str) -> tuple[Original, Session | None, list[Rating]]:
    """Everything known of one CDR for who may see it (product.md row 120, as far as this room knows it)."""
    scope = authorise(actor, Right.CDR_VIEW, issuer_id)
    body = store.original(ctx.db, issuer_id, cdr_ref)
    known = store.session(ctx.db, issuer_id, cdr_ref)
    if body is None and known is not None and known.origin is not None:
        body = store.original(ctx.db, issuer_id, known.origin)
    if body is None:
        raise NotFound("no such object")
    require_contract(scope, known.contract_id if known else None)
    versions = range(1, (known.rating_version if known else 0) + 1)
    found = [store.rating(ctx.db, issuer_id, cdr_ref, version) for version in versions]
    return body, known, [r for r in found if r is not None]


def changed(known: Session, **update: Any) -> tuple[Session, Put]:
    """The next state of a session and the write that puts it over exactly the state that was read."""
    made = known.model_copy(update=update)
    return made, store.replace(made, known)


def told(made: Session, known: Session, at: datetime) -> list[Put]:
    """What belongs into the transaction of a change that receivers hear of (``cdr.*``); nothing where they do not."""
    return store.moved(made, known, at)


def of_cdr(made: Session) -> Row:
    """What receivers are told of a session: whose it is, what keeps or took it from being billed, or its price."""
    return store.of_cdr(made)


def in_window(issuer_id: str, run_id: str) -> Check:
    """The condition every change of a member carries: its run is still in its window (rules.md 6)."""
    return store.run_in_window(issuer_id, run_id)


def lowered(
    ctx: Context, known: Session, by: Money, *, author: str, reason: str, pending: bool = False
) -> tuple[Rating, Put]:
    """The next rating of a session whose price is lowered by an amount that was granted (product.md row 39).

    With ``pending`` the amount is left out until its dispute has an answer (product.md A3).
    """
    from roamclear.cdrs.pricing import by_vat, granted, withheld

    current = store.rating(ctx.db, known.issuer_id, known.cdr_ref, known.rating_version)
    if current is None:
        raise NotFound("this session has no price")
    lines = current.lines
    made = current.model_copy(
        update={
            "version": current.version + 1,
            "author": author,
            "reason": reason,
            "at_utc": ctx.now(),
            "lines": (*lines, *by_vat(withheld(-by), lines)) if pending else granted(lines, by),
            "net": current.net - by,
        }
    )
    return made, store.rating_put(made)
