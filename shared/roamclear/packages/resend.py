"""Asking for a document to be sent again, marked COPY (product.md row 63); what draws and mails it is ``courier``."""

from __future__ import annotations

import hashlib
import re

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.deliveries import service as deliveries
from roamclear.deliveries.model import Entry, What
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table
from roamclear.packages import store
from roamclear.packages.model import CopyRequest

MOST_CONTACTS = 10
_REQUEST = re.compile(r"^[A-Za-z0-9_-]{1,64}$", re.ASCII)
_CONTACT = re.compile(r"^[^@\s<>,;]+@[A-Za-z0-9.-]+$", re.ASCII)


def ask(
    ctx: Context, actor: Actor, issuer_id: str, number: str, contacts: tuple[str, ...] = (), request_id: str = ""
) -> CopyRequest:
    """Ask for a copy to the contract's contacts or to others; the same request again is the same copy.

    Without a request id the contacts and the minute are the business key, so that a double click sends once.

    Raises:
        InvalidInput: a contact is no address, or the request id has other characters.
        NotFound: the issuer has no such document.
    """
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    if len(contacts) > MOST_CONTACTS or any(len(c) > 254 or not _CONTACT.match(c) for c in contacts):
        raise InvalidInput(f"name at most {MOST_CONTACTS} e-mail addresses", field="contacts")
    if request_id and not _REQUEST.match(request_id):
        raise InvalidInput("a request id has 1 to 64 letters, digits, hyphens and underscores", field="request_id")
    billing.document_for(ctx, actor, issuer_id, number)
    made = CopyRequest(
        issuer_id=issuer_id,
        number=number,
        request_id=request_id or _key(ctx, contacts),
        contacts=contacts,
        asked_by=actor.actor_id,
        asked_at_utc=ctx.now(),
    )

    def attempt() -> None:
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="DOCUMENT_COPY", object_id=number, actor_id=actor.actor_id,
            action="COPY_ASKED", details={"request_id": made.request_id, "contacts": len(contacts)},
        )  # fmt: skip
        ctx.db.transact([*store.asked(made), deliveries.entry(_line(made)), log])

    try:
        again_on_race(attempt)
    except ConditionFailed as lost:
        if lost.table != Table.CLEARING:
            raise
    return store.find(ctx.db, issuer_id, number, made.request_id) or made


def _line(made: CopyRequest) -> Entry:
    return Entry(
        issuer_id=made.issuer_id,
        subject=made.number,
        entry_id=f"COPY#{made.request_id}",
        at_utc=made.asked_at_utc,
        what=What.COPY_ASKED,
        recipients=made.contacts,
        by=made.asked_by,
    )


def _key(ctx: Context, contacts: tuple[str, ...]) -> str:
    text = f"{ctx.now():%Y-%m-%dT%H:%M}|{' '.join(sorted(contacts))}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
