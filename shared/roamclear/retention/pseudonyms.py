"""Keyed pseudonyms: equal values of an issuer stay equal, and without the secret nobody comes back from them.

The secret of an issuer has a number (epoch). Destroying it makes all its pseudonyms anonymous for good; what expires
later gets pseudonyms of the next one. Old backups hold a destroyed secret until they are over (35 days).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.retention import store
from roamclear.retention.model import Epoch

#: No country has this code (ISO 3166 user-assigned), so no EVSE, contract or token of a partner reads like a pseudonym.
PREFIX = "ZZ"


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms of one issuer and epoch."""

    epoch: int
    secret: bytes = field(repr=False)

    def of(self, kind: str, value: str) -> str:
        """The pseudonym of a value: 128 bits of HMAC-SHA-256 over its kind and itself.

        >>> names = Pseudonyms(1, b"secret")
        >>> names.of("TOKEN", "04A2") == names.of("TOKEN", "04A2") != names.of("EVSE", "04A2")
        True
        >>> names.of("TOKEN", "04A2")[:5]
        'ZZ001'
        """
        made = hmac.new(self.secret, f"{kind}|{value}".encode(), hashlib.sha256).hexdigest()
        return f"{PREFIX}{self.epoch:03d}{made[:32].upper()}"


def current(ctx: Context, issuer_id: str) -> Pseudonyms:
    """The pseudonyms of the youngest secret that is not destroyed; the first use makes one."""
    while True:
        known = store.epochs(ctx.db, issuer_id)
        if known and known[-1].secret is not None:
            return Pseudonyms(known[-1].epoch, known[-1].secret)
        made = store.new_epoch(issuer_id, (known[-1].epoch if known else 0) + 1, ctx.now())
        try:
            ctx.db.write(store.epoch_put(made))
        except ConditionFailed:
            continue  # another worker made it


def every(ctx: Context, issuer_id: str) -> list[Pseudonyms]:
    """The pseudonyms of all secrets that can still be computed."""
    return [Pseudonyms(e.epoch, e.secret) for e in store.epochs(ctx.db, issuer_id) if e.secret is not None]


def epochs(ctx: Context, actor: Actor, issuer_id: str) -> list[Epoch]:
    """The secrets of an issuer, without their bytes."""
    authorise(actor, Right.DATA_REQUEST_VIEW, issuer_id)
    return [_shown(e) for e in store.epochs(ctx.db, issuer_id)]


def destroy(ctx: Context, actor: Actor, issuer_id: str, epoch: int, reason: str) -> Epoch:
    """Destroy a secret for good; again changes nothing.

    Nothing of money hangs on it: what is lost is the way from a token to its expired sessions.
    """
    authorise(actor, Right.DATA_REQUEST, issuer_id)
    if not 3 <= len(reason.strip()) <= 1000:
        raise InvalidInput("give a reason of 3 to 1000 characters", field="reason")

    def attempt() -> Epoch:
        known = next((e for e in store.epochs(ctx.db, issuer_id) if e.epoch == epoch), None)
        if known is None:
            raise NotFound("no such object")
        if known.secret is None:
            return known
        made = known.model_copy(update={"secret": None, "destroyed_at_utc": ctx.now()})
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="ISSUER", object_id=issuer_id, actor_id=actor.actor_id,
            action="PSEUDONYM_SECRET_DESTROYED", details={"epoch": epoch, "reason": reason},
        )  # fmt: skip
        ctx.db.transact([store.epoch_destroyed(made), log])
        return made

    return again_on_race(attempt)


def _shown(made: Epoch) -> Epoch:
    return made.model_copy(update={"secret": None})
