"""Requests of data subjects, which come through their eMSP: who asked, and what was answered (product.md row 139).

The administrator keeps settings and people, so the administrator asks; the auditor sees that it was asked and what it
came to, and nobody sees more of a session by it than a package of the subject's own sessions (decision in docs).
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from roamclear.audit import service as audit
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.kernel.ids import contract_id as emaid
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Put, Table
from roamclear.privacy import store
from roamclear.privacy.model import DataRequest, DetailReport, PackageLink, Subject
from roamclear.retention import pseudonyms

LINK_SECONDS = 900
RACES = (Table.AUDIT, Table.CLEARING)


def ask(
    ctx: Context, actor: Actor, issuer_id: str, kind: str, subject: Subject, reference: str, since: date | None = None
) -> DataRequest:
    """Keep a request until it is answered; the same one again is the one that stands.

    A token is found by the index of its eMSP; a contract id alone is searched in everything that came since a day.

    Raises:
        InvalidInput: neither token nor contract id is named.
    """
    authorise(actor, Right.DATA_REQUEST, issuer_id)
    identity.issuer(ctx, issuer_id)
    named = subject.token_uid or subject.contract_id
    if named is None:
        raise InvalidInput("name the token or the contract id", field="token_uid")
    words = "|".join((subject.emsp_party, (subject.token_uid or "").upper(), emaid.compact(subject.contract_id or "")))
    alias = pseudonyms.current(ctx, issuer_id).of("SUBJECT", words)
    digest = hashlib.sha256(f"{kind}|{alias}|{reference}|{since}".encode()).hexdigest()
    made = DataRequest(
        issuer_id=issuer_id,
        request_id=f"DR-{digest[:16]}",
        kind=kind,
        reference=reference,
        subject=subject,
        masked=emaid.format(named),
        alias=alias,
        since=since,
        asked_by=actor.actor_id,
        asked_at_utc=ctx.now(),
    )

    def attempt() -> DataRequest:
        known = store.request(ctx.db, issuer_id, made.request_id)
        if known is not None:
            return known
        ctx.db.transact([store.request_put(made, None), log(ctx, made, actor.actor_id, "ASKED")])
        return made

    return shown(again_on_race(attempt, tables=RACES))


def requests(ctx: Context, actor: Actor, issuer_id: str) -> list[DataRequest]:
    """All requests of an issuer, oldest first."""
    authorise(actor, Right.DATA_REQUEST_VIEW, issuer_id)
    return [shown(each) for each in store.requests(ctx.db, issuer_id)]


def request(ctx: Context, actor: Actor, issuer_id: str, request_id: str) -> DataRequest:
    """One request."""
    authorise(actor, Right.DATA_REQUEST_VIEW, issuer_id)
    return shown(_known(ctx, issuer_id, request_id))


def opened(ctx: Context, actor: Actor, issuer_id: str, request_id: str) -> list[PackageLink]:
    """Short-lived addresses of a package; every opening is audited.

    Raises:
        NotFound: it is not answered yet.
    """
    authorise(actor, Right.DATA_REQUEST, issuer_id)
    known = _known(ctx, issuer_id, request_id)
    if not known.files:
        raise NotFound("this request is not answered yet")
    again_on_race(lambda: ctx.db.write(log(ctx, known, actor.actor_id, "OPENED")))
    links = []
    for key in known.files:
        name = key.rsplit("/", 1)[1]
        links.append(PackageLink(name=name, url=ctx.objects.link("exports", key, seconds=LINK_SECONDS, filename=name)))
    return links


def reports(ctx: Context, actor: Actor, issuer_id: str) -> list[DetailReport]:
    """What the runs of the retention did, latest first."""
    authorise(actor, Right.DATA_REQUEST_VIEW, issuer_id)
    return list(store.reports(ctx.db, issuer_id))


def shown(known: DataRequest) -> DataRequest:
    """A request without whom it is about and how far its search is."""
    return known.model_copy(update={"subject": None, "found": (), "scanned_to": None})


def log(ctx: Context, known: DataRequest, actor_id: str, action: str, **details: Any) -> Put:
    """The audit entry of a step; the subject stands there as its pseudonym."""
    told = {"kind": known.kind, "reference": known.reference, "alias": known.alias, **details}
    return audit.entry(
        ctx, issuer_id=known.issuer_id, kind="DATAREQUEST", object_id=known.request_id, actor_id=actor_id,
        action=f"DATA_REQUEST_{action}", details=told,
    )  # fmt: skip


def _known(ctx: Context, issuer_id: str, request_id: str) -> DataRequest:
    found = store.request(ctx.db, issuer_id, request_id)
    if found is None:
        raise NotFound("no such object")
    return found
