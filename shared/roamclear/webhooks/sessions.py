"""Telling receivers of CDRs, at no cost where nobody asked: the subscriptions are read once per batch of bodies."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.cdrs.model import Billing, Session
from roamclear.cdrs.service import of_cdr
from roamclear.kernel.context import Context
from roamclear.webhooks import events, service, store
from roamclear.webhooks.model import Subscription

_KINDS = {
    Billing.VERIFIED: "cdr.verified",
    Billing.ON_HOLD: "cdr.held",
    Billing.NOT_RATED: "cdr.held",
}
_WANTED = frozenset({"cdr.received", *_KINDS.values()})


class Listeners:
    """Who wants to hear of CDRs, per issuer; read when the first body of the issuer asks."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[str, list[Subscription]] = {}

    def tell(self, session: Session) -> int:
        """Let the events of a session that was just processed wait; processed twice, they wait once."""
        found = self._of(session.issuer_id)
        return service.enqueue(self._ctx, found, list(of_session(session))) if found else 0

    def _of(self, issuer_id: str) -> list[Subscription]:
        if issuer_id not in self._known:
            every = store.subscriptions(self._ctx.db, issuer_id)
            self._known[issuer_id] = [each for each in every if _WANTED & set(each.events)]
        return self._known[issuer_id]


def of_session(session: Session) -> Iterator[events.Event]:
    """That a CDR came, and what it was first: verified, or held with its reasons.

    What it became later is told by the facts of its changes; a session that moved on meanwhile is left to them.
    """
    told = {"cdr_ref": session.cdr_ref, "contract_id": session.contract_id, "party": session.party}
    came = session.received_at_utc
    yield events.of("cdr.received", session.cdr_ref, came, told, session.issuer_id)
    kind = _KINDS.get(session.billing)
    if kind is not None and session.changed == 0:
        at = session.verified_at_utc or came
        yield events.of(kind, session.cdr_ref, at, of_cdr(session) | {"change": 0}, session.issuer_id, sequence=1)
