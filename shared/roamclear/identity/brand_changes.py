"""How an issuer's documents look and where they are paid to: changed by two persons after 72 hours (rules.md 10).

A change names what it sets: name, colours, typeface, footer, contact, IBAN and BIC. It is bound to the values that it
replaces, so that what is approved is exactly what was shown. The 72 hours begin when the contact in force was told;
telling is done by a higher room. The logo has the same rules and a file of its own (``logo.py``).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from roamclear.audit import service as audit
from roamclear.identity import store
from roamclear.identity.issuer import BrandChange, BrandChangeView, BrandValues, Issuer
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import COOLING, authorise, authorise_either, different_person
from roamclear.identity.service import issuer as find_issuer
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Put, Table

#: Values of the issuer itself; all others are its brand's.
PAID_TO = ("iban", "bic")
_RACES = (Table.AUDIT, Table.CLEARING)


def propose(ctx: Context, actor: Actor, issuer_id: str, wanted: BrandValues, reason: str) -> BrandChange:
    """Keep a change until a second person decides; the same one of the same person again is the one that stands.

    Raises:
        InvalidInput: nothing would change, a value is no good, or the reason is missing.
        Conflict: the very same change was decided already.
    """
    authorise(actor, Right.ISSUER_EDIT, issuer_id)
    if not 3 <= len(reason.strip()) <= 500:
        raise InvalidInput("give a reason of 3 to 500 characters", field="reason")
    issuer = find_issuer(ctx, issuer_id)
    before = values_of(issuer)
    after = {name: value for name, value in wanted.dump().items() if value != before.get(name, _nothing(name))}
    if not after:
        raise InvalidInput("nothing of this differs from what is in force", field="body")
    _applied(issuer, after)
    replaced = {name: before[name] for name in after if name in before}
    said = numbers_json.dumps([issuer_id, actor.actor_id, after, replaced, reason], sort_keys=True)
    made = BrandChange(
        issuer_id=issuer_id,
        change_id=f"BC-{hashlib.sha256(said.encode()).hexdigest()[:20]}",
        values=BrandValues.load(after),
        replaces=replaced,
        reason=reason,
        made_by=actor.actor_id,
        made_at_utc=ctx.now(),
        # Nobody to tell: the time to notice begins with the proposal.
        told_at_utc=None if issuer.brand.contact_email else ctx.now(),
        told=issuer.brand.contact_email or None,
    )

    def attempt() -> BrandChange:
        known = store.brand_change(ctx.db, issuer_id, made.change_id)
        if known is not None and known.state != "PROPOSED":
            raise Conflict("this was proposed and decided; give another reason", state=known.state)
        if known is not None:
            return known
        ctx.db.transact([store.brand_change_put(made), _log(ctx, actor, made, "BRAND_CHANGE_PROPOSED")])
        return made

    return again_on_race(attempt, tables=_RACES)


def told(ctx: Context, made: BrandChange) -> BrandChange:
    """The old contact was told: the 72 hours begin. The first instant stands."""

    def attempt() -> BrandChange:
        known = _change(ctx, made.issuer_id, made.change_id)
        if known.told_at_utc is not None or known.state != "PROPOSED":
            return known
        now = known.model_copy(update={"told_at_utc": ctx.now()})
        ctx.db.write(store.brand_change_put(now, over=known))
        return now

    return again_on_race(attempt, tables=_RACES)


def approve(ctx: Context, actor: Actor, issuer_id: str, change_id: str) -> Issuer:
    """A second person puts the change in force, for what is issued from now on; again changes nothing.

    Raises:
        Conflict: the 72 hours are not over, the old contact was not told, the change is not open, or what it replaces
            was changed meanwhile.
        Forbidden: the maker may not check.
    """
    authorise(actor, Right.CONTRACT_APPROVE, issuer_id)

    def attempt() -> Issuer:
        known = _change(ctx, issuer_id, change_id)
        different_person(known.made_by, actor)
        issuer = find_issuer(ctx, issuer_id)
        if known.state == "APPROVED":
            return issuer
        if known.state != "PROPOSED":
            raise Conflict("this change is not open for approval", state=known.state)
        earliest = in_force_from(known)
        if earliest is None:
            raise Conflict("the contact in force was not told of this change yet", rule="NOTICE_MISSING")
        if ctx.now() < earliest:
            raise Conflict("a change of the brand is approved 72 hours after its notice", earliest=earliest)
        present = values_of(issuer)
        after = known.values.dump()
        if {name: present[name] for name in after if name in present} != known.replaces:
            raise Conflict("what this replaces was changed meanwhile; propose again", rule="STALE_PROPOSAL")
        changed = _applied(issuer, after)
        update = {"state": "APPROVED", "decided_by": actor.actor_id, "decided_at_utc": ctx.now()}
        made = known.model_copy(update=update)
        log = _log(ctx, actor, made, "BRAND_CHANGE_APPROVED")
        writes = store.issuer_writes(changed, issuer)
        ctx.db.transact([*writes, store.brand_change_put(made, over=known), log])
        return changed

    return again_on_race(attempt, tables=_RACES)


def withdraw(ctx: Context, actor: Actor, issuer_id: str, change_id: str) -> BrandChange:
    """Either person stops a change; one that was decided stays as it is."""
    authorise_either(actor, Right.CONTRACT_APPROVE, Right.ISSUER_EDIT, issuer_id)

    def attempt() -> BrandChange:
        known = _change(ctx, issuer_id, change_id)
        if known.state != "PROPOSED":
            return known
        update = {"state": "WITHDRAWN", "decided_by": actor.actor_id, "decided_at_utc": ctx.now()}
        made = known.model_copy(update=update)
        log = _log(ctx, actor, made, "BRAND_CHANGE_WITHDRAWN")
        ctx.db.transact([store.brand_change_put(made, over=known), log])
        return made

    return again_on_race(attempt, tables=_RACES)


def change(ctx: Context, actor: Actor, issuer_id: str, change_id: str) -> BrandChange:
    """One change with what it sets and what it replaces, for who may propose or approve it."""
    authorise_either(actor, Right.CONTRACT_APPROVE, Right.ISSUER_EDIT, issuer_id)
    return _change(ctx, issuer_id, change_id)


def changes(ctx: Context, actor: Actor, issuer_id: str) -> list[BrandChange]:
    """Every change of an issuer, the latest first."""
    authorise_either(actor, Right.CONTRACT_APPROVE, Right.ISSUER_EDIT, issuer_id)
    return sorted(store.brand_changes(ctx.db, issuer_id), key=lambda each: each.made_at_utc, reverse=True)


def in_force_from(made: BrandChange) -> datetime | None:
    """The first instant at which a change may be approved; None while the old contact was not told."""
    return made.told_at_utc + COOLING if made.told_at_utc is not None else None


def view(made: BrandChange) -> BrandChangeView:
    """A change as it is shown."""
    return BrandChangeView.model_validate({**dict(made), "approvable_from_utc": in_force_from(made)})


def values_of(issuer: Issuer) -> dict[str, Any]:
    """What a change may set, as it stands at an issuer now."""
    whole = {**issuer.brand.dump(), **{name: value for name, value in issuer.dump().items() if name in PAID_TO}}
    return {name: value for name, value in whole.items() if name in BrandValues.model_fields}


def _applied(issuer: Issuer, after: dict[str, Any]) -> Issuer:
    """The issuer with the values of a change; an empty BIC takes it away."""
    brand = {**issuer.brand.dump(), **{name: value for name, value in after.items() if name not in PAID_TO}}
    paid_to = {name: value or None for name, value in after.items() if name in PAID_TO}
    try:
        return Issuer.load({**issuer.dump(), **paid_to, "brand": brand})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = str(first["loc"][-1]) if first["loc"] else "body"
        raise InvalidInput(f"{field}: {first['msg']}", field=field) from error


def _nothing(name: str) -> Any:
    """How a value reads that was never set: a BIC is absent and sent as an empty text."""
    return "" if name == "bic" else None


def _change(ctx: Context, issuer_id: str, change_id: str) -> BrandChange:
    found = store.brand_change(ctx.db, issuer_id, change_id)
    if found is None:
        raise NotFound("no such object")
    return found


def _log(ctx: Context, actor: Actor, made: BrandChange, action: str) -> Put:
    details = {"change_id": made.change_id, "before": made.replaces, "after": made.values, "reason": made.reason}
    return audit.entry(
        ctx, issuer_id=made.issuer_id, kind="ISSUER", object_id=made.issuer_id, actor_id=actor.actor_id,
        action=action, details=details,
    )  # fmt: skip
