"""The register: EVSEs come in from Locations and CDRs, and are listed in two tables (product.md rows 90-94)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from roamclear.audit import service as audit
from roamclear.evses import rules, store
from roamclear.evses.model import UNASSIGNED, Counts, Evse, EvsePage, EvseRow, Filters, RowResult, Source
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise, require_account
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput, NotFound
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table
from roamclear.rating import service as rating
from roamclear.rating.model import ChargeRecord

MAX_PAGE = 500
_RACES = (Table.AUDIT, Table.CLEARING)
_PRICED_BY = ("zone", "group", "power_type", "country")


def find(ctx: Context, issuer_id: str, evse_id: str) -> Evse | None:
    """One EVSE by any spelling of its id, or None."""
    return store.evse(ctx.db, issuer_id, evse_ids.compact(evse_id))


def register_location(ctx: Context, issuer_id: str, party: str, location: dict[str, Any]) -> list[str]:
    """Take the EVSEs of an OCPI Location into the register; returns the folded ids that are new or changed.

    Any number of times, in any order. An EVSE that another party registered is left alone and told to the journal.
    """
    told = rules.of_location(issuer_id, party, location, ctx.now())
    return [each.evse_id for each in told[: rules.MAX_EVSES] if again_on_race(partial(_take, ctx, each), tables=_RACES)]


def register_from_cdr(ctx: Context, issuer_id: str, party: str, charge: ChargeRecord) -> Evse:
    """Register an EVSE that was first seen in a CDR (``source=CDR``, unassigned, no zone); a known one stays."""
    place = charge.location
    made = Evse(
        issuer_id=issuer_id,
        party=party,
        evse_id=evse_ids.validate(place.evse_id or ""),
        evse_uid=place.evse_uid,
        location_id=place.id or "",
        location_name=place.name or place.address or "",
        country=rating.alpha2(place.country or "") or "",
        city=place.city or "",
        postal_code=place.postal_code or "",
        power_type=rules.power_type([place.connector_power_type or ""]),
        source=Source.CDR,
        first_seen_utc=ctx.now(),
    )
    try:
        ctx.db.write(store.evse_put(made, None))
    except ConditionFailed as lost:
        return Evse.load(lost.current) if lost.current else find(ctx, issuer_id, made.evse_id) or made
    return made


def import_rows(ctx: Context, actor: Actor, issuer_id: str, rows: Sequence[EvseRow]) -> list[RowResult]:
    """Take lines of a person's list into the register, a result per line; again changes nothing (row 90)."""
    authorise(actor, Right.EVSE_ASSIGN, issuer_id)
    if not 1 <= len(rows) <= MAX_PAGE:
        raise InvalidInput(f"1 to {MAX_PAGE} lines at a time", field="rows")
    results = []
    for line, row in enumerate(rows, 1):
        told = Evse(issuer_id=issuer_id, source=Source.CSV, first_seen_utc=ctx.now(), **row.model_dump())
        known = store.evse(ctx.db, issuer_id, row.evse_id)
        if known is not None and known.party != row.party:
            reason = "another party registered this EVSE"
            results.append(RowResult(line=line, evse_id=row.evse_id, outcome="REFUSED", reason=reason))
            continue
        took = again_on_race(partial(_take, ctx, told), tables=_RACES)
        results.append(RowResult(line=line, evse_id=row.evse_id, outcome="REGISTERED" if took else "SAME"))
    if any(result.outcome == "REGISTERED" for result in results):
        again_on_race(partial(_log_import, ctx, actor, issuer_id, results))
    return results


def _log_import(ctx: Context, actor: Actor, issuer_id: str, results: list[RowResult]) -> None:
    taken = [result.evse_id for result in results if result.outcome == "REGISTERED"]
    entry = audit.entry(
        ctx, issuer_id=issuer_id, kind="EVSE_REGISTER", object_id=issuer_id, actor_id=actor.actor_id,
        action="IMPORTED", details={"evse_ids": taken},
    )  # fmt: skip
    ctx.db.transact([entry])


def _take(ctx: Context, told: Evse) -> bool:
    known = store.evse(ctx.db, told.issuer_id, told.evse_id)
    if known is not None and known.party != told.party:
        journal.raise_once(
            ctx,
            told.issuer_id,
            ExceptionType.PLAUSIBILITY,
            f"{told.evse_id}#{told.party}",
            f"{told.party} sent a location with an EVSE of {known.party}",
            partner=told.party,
            details={"evse_id": told.evse_id},
        )
        return False
    made = rules.merged(known, told) if known else told
    if made == known:
        return False
    writes = [store.evse_put(made, known)]
    if known is None or any(getattr(known, name) != getattr(made, name) for name in _PRICED_BY):
        payload = {"evse_id": made.evse_id, "new": known is None}
        writes.append(store.fact(made.issuer_id, ctx.now(), "evse.registered", _subject(made, known), payload))
    ctx.db.transact(writes)
    return True


def _subject(made: Evse, known: Evse | None) -> str:
    """Which change of the EVSE a fact tells of, so that two in one instant are two."""
    return f"{made.evse_id}#{known.changed + 1 if known else 0}"


def set_group(ctx: Context, actor: Actor, issuer_id: str, evse_id: str, group: str | None) -> Evse:
    """Put an EVSE into a price group of the contracts' grids, or take it out."""
    authorise(actor, Right.EVSE_ASSIGN, issuer_id)
    if group is not None and not 1 <= len(group) <= 40:
        raise InvalidInput("a group has 1 to 40 characters", field="group")

    def attempt() -> Evse:
        known = find(ctx, issuer_id, evse_id)
        if known is None:
            raise NotFound("no such EVSE")
        made = known.model_copy(update={"group": group})
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="EVSE", object_id=known.evse_id, actor_id=actor.actor_id,
            action="GROUP_SET", details={"before": known.group, "after": group},
        )  # fmt: skip
        told = store.fact(issuer_id, ctx.now(), "evse.registered", _subject(made, known), {"evse_id": made.evse_id})
        ctx.db.transact([store.evse_put(made, known), told, log])
        return made

    return again_on_race(attempt, tables=_RACES)


# ---- two tables ----------------------------------------------------------------------------------------------------
def evse(ctx: Context, actor: Actor, issuer_id: str, evse_id: str) -> Evse:
    """One EVSE for who may see it."""
    scope = authorise(actor, Right.EVSE_VIEW, issuer_id)
    found = find(ctx, issuer_id, evse_id)
    if found is None:
        raise NotFound("no such EVSE")
    require_account(scope, found.account_id)
    return found


def assigned(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    filters: Filters | None = None,
    *,
    account_id: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> EvsePage:
    """EVSEs assigned to an active account (or to one of them), by id, filtered (product.md rows 92-97)."""
    scope = authorise(actor, Right.EVSE_VIEW, issuer_id)
    if account_id is not None:
        require_account(scope, account_id)
    active = _active(ctx, issuer_id)
    wanted = active & ({account_id} if account_id is not None else active)
    wanted &= scope.account_ids if scope.account_ids is not None else wanted
    whole = account_id is None and scope.account_ids is None
    ids = store.ids_of_register(ctx.db, issuer_id, after) if whole else _of(ctx, issuer_id, wanted, after)
    return _page(ctx, issuer_id, ids, wanted, filters or Filters(), limit)


def unassigned(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    filters: Filters | None = None,
    *,
    after: str | None = None,
    limit: int = 100,
) -> EvsePage:
    """EVSEs that nobody is paid for: never assigned, unassigned, or of an inactive account."""
    _staff(authorise(actor, Right.EVSE_VIEW, issuer_id))
    inactive = {a.account_id for a in store.accounts(ctx.db, issuer_id) if not a.active}
    ids = _of(ctx, issuer_id, {UNASSIGNED, *inactive}, after)
    return _page(ctx, issuer_id, ids, {None, *inactive}, filters or Filters(), limit)


def counts(ctx: Context, actor: Actor, issuer_id: str) -> Counts:
    """How many EVSEs stand in which table and tab; the tables add up to the register."""
    _staff(authorise(actor, Right.EVSE_VIEW, issuer_id))
    total = store.count_register(ctx.db, issuer_id)
    by_account = {each: store.count_account(ctx.db, issuer_id, each) for each in sorted(_active(ctx, issuer_id))}
    taken = sum(by_account.values())
    return Counts(total=total, assigned=taken, unassigned=total - taken, by_account=by_account)


def _staff(scope: Scope) -> None:
    """A sub-CPO sees its own EVSEs only; the others are not there for it."""
    if scope.account_ids is not None:
        raise NotFound("no such list")


def _active(ctx: Context, issuer_id: str) -> set[str]:
    return {account.account_id for account in store.accounts(ctx.db, issuer_id) if account.active}


def _of(ctx: Context, issuer_id: str, accounts: set[str], after: str | None) -> Iterator[str]:
    return store.ids_of_accounts(ctx.db, issuer_id, sorted(accounts), after)


def _page(
    ctx: Context,
    issuer_id: str,
    ids: Iterator[str],
    accounts: set[str] | set[str | None],
    filters: Filters,
    limit: int,
) -> EvsePage:
    """Fill a page from ids in order; the row decides, for an index may lag behind an assignment."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"a page has 1 to {MAX_PAGE} rows", field="limit")
    found: list[Evse] = []
    while chunk := list(dict.fromkeys(islice(ids, 100))):
        known = store.evses(ctx.db, issuer_id, chunk)
        for each in chunk:
            row = known.get(each)
            if row is None or row.account_id not in accounts or not rules.fits(row, filters):
                continue
            if len(found) == limit:
                return EvsePage(items=tuple(found), next=found[-1].evse_id)
            found.append(row)
    return EvsePage(items=tuple(found))
