"""Mails of disputes, to the side that has to know; each is said once (product.md rows 40, 47 and J.2).

They hang on the outbox facts of the room, so that no request waits for a mail and none is lost.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

from roamclear.console import service as console
from roamclear.deliveries import sending
from roamclear.disputes import parts, store
from roamclear.disputes.model import Dispute, Entry, Side, State
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Scope
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import Unavailable
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.kernel.time import local_date
from roamclear.mode import service as mode
from roamclear.notify.model import DisputeFacts, MailFacts, MailKind, MailLanguage, MailMessage
from roamclear.notify.service import compose

_BOTH = (Side.CPO, Side.EMSP)
#: What was said -> the mail that tells of it, and who is told; None is the other side.
_SAID: dict[str, tuple[MailKind, tuple[Side, ...] | None]] = {
    "COMMENT": (MailKind.DISPUTE_COMMENT, None),
    "EVIDENCE": (MailKind.DISPUTE_COMMENT, None),
    "INFO_REQUESTED": (MailKind.DISPUTE_INFO_REQUESTED, (Side.EMSP,)),
    "INFO_GIVEN": (MailKind.DISPUTE_COMMENT, (Side.CPO,)),
    "ESCALATED": (MailKind.DISPUTE_ESCALATED, _BOTH),
}
_ENDED = {State.EXPIRED: MailKind.DISPUTE_EXPIRED, State.WITHDRAWN: MailKind.DISPUTE_WITHDRAWN}
_MOST_TEXT = 1000


class Told(Record):
    """Who is written to: one side of a dispute with its addresses, language and name."""

    side: Side
    recipients: tuple[str, ...]
    language: str
    name: str
    #: The page of the console on which this side finds its disputes.
    page: str


def tell(ctx: Context, row: Row) -> None:
    """Answer a ``dispute.*`` fact: mail whom it concerns; called again it says nothing twice.

    Raises:
        Unavailable: a mail was not taken; the fact is answered again later.
    """
    what, issuer_id, payload = row["fact"], row["issuer_id"], row["payload"]
    if what == "dispute.list_filed":
        _tell_list(ctx, issuer_id, payload)
        return
    known = parts.found(ctx, Scope(issuer_id=issuer_id), issuer_id, payload["dispute_id"])
    if what == "dispute.created":
        if payload.get("batch") is None:  # a list is told of as a whole
            _mail(ctx, known, MailKind.DISPUTE_FILED, _BOTH, row["subject"])
    elif what == "dispute.resolved":
        state = State(payload["state"])
        kind = _ENDED.get(state, MailKind.DISPUTE_ANSWERED)
        _mail(ctx, known, kind, _BOTH, row["subject"], outcome=state, said=_entry(ctx, known, payload))
    elif (said := _entry(ctx, known, payload)) is not None and said.kind in _SAID:
        kind, sides = _SAID[said.kind]
        _mail(ctx, known, kind, sides or tuple(s for s in _BOTH if s is not said.side), row["subject"], said=said)


def _entry(ctx: Context, known: Dispute, payload: Row) -> Entry | None:
    number = payload.get("said")
    return store.entry(ctx.db, known.issuer_id, known.dispute_id, int(number)) if number is not None else None


def _mail(
    ctx: Context,
    known: Dispute,
    kind: MailKind,
    sides: tuple[Side, ...],
    event: str,
    *,
    outcome: State | None = None,
    said: Entry | None = None,
) -> None:
    due = known.info_due_utc if kind is MailKind.DISPUTE_INFO_REQUESTED else known.answer_due_utc
    if due is None:
        return  # the question was answered before its mail went out
    told = DisputeFacts(
        number=known.dispute_id,
        cdr_ref=known.cdr_ref,
        claimed=known.claimed,
        accepted=known.accepted if outcome else None,
        outcome=outcome.value if outcome else None,
        due_at_utc=None if outcome else due,
        word=(said.text if said else known.text)[:_MOST_TEXT] or None,
    )
    facts = {"dispute": told}
    _send(ctx, known.issuer_id, known.contract_id, known.run_id, kind, sides, event, known.dispute_id, facts)


def _tell_list(ctx: Context, issuer_id: str, payload: Row) -> None:
    claimed = Money(int(payload["claimed"]["amount_minor"]), payload["claimed"]["currency"])
    facts = {"disputed": int(payload["count"]), "amount": claimed}
    batch, run_id = payload["batch"], payload["run_id"]
    kind = MailKind.DISPUTE_LIST_FILED
    _send(ctx, issuer_id, payload["contract_id"], run_id, kind, _BOTH, f"{batch}#{run_id}", batch, facts)


def _send(
    ctx: Context,
    issuer_id: str,
    contract_id: str,
    run_id: str,
    kind: MailKind,
    sides: tuple[Side, ...],
    event: str,
    subject: str,
    facts: dict[str, Any],
) -> None:
    mode.require_normal(ctx)
    issuer, missed = identity.issuer(ctx, issuer_id), False
    shared = _period(ctx, issuer_id, run_id) | facts
    for told in _whom(ctx, issuer, contract_id, sides):
        key = f"{kind.value}#{event}#{told.side.value}"
        write = partial(_written, ctx, kind, issuer, told, f"{issuer_id}#{key}", shared)
        missed |= not sending.once(ctx, issuer_id, key, write, subject=subject, partner=contract_id)
    if missed:
        raise Unavailable("a mail of a dispute was not taken")


def _whom(ctx: Context, issuer: Issuer, contract_id: str, sides: tuple[Side, ...]) -> list[Told]:
    """The addresses of the sides; an issuer without a contact address reads its console."""
    terms, found = parts.terms_of(ctx, issuer.issuer_id, contract_id), []
    house, partner = (Side.EMSP, Side.CPO) if terms.is_reverse else (Side.CPO, Side.EMSP)
    if house in sides and issuer.brand.contact_email:
        to = (issuer.brand.contact_email,)
        found.append(Told(side=house, recipients=to, language=issuer.language, name=issuer.brand.name, page="disputes"))
    if partner in sides:
        name, them = terms.counterparty.legal_name, terms.contact_emails
        found.append(Told(side=partner, recipients=them, language=terms.language, name=name, page="claims"))
    return found


def _period(ctx: Context, issuer_id: str, run_id: str) -> dict[str, Any]:
    window = store.window(ctx.db, issuer_id, run_id)
    zone = window.zone if window else "UTC"
    today: date = local_date(ctx.now(), zone)
    first = window.first if window and window.first else today
    end = window.end - timedelta(days=1) if window and window.end else today
    return {"period_start": first, "period_end": end, "zone": zone}


def _written(
    ctx: Context, kind: MailKind, issuer: Issuer, told: Told, business_key: str, facts: dict[str, Any]
) -> MailMessage:
    # A mail of a list names no single dispute: it opens all of them.
    one = [facts["dispute"].number] if "dispute" in facts else []
    made = MailFacts(
        business_key=business_key,
        recipients=told.recipients,
        sent_at_utc=ctx.now(),
        partner_name=told.name,
        link=console.address(ctx.public_base_url, told.page, *one),
        **facts,
    )
    brand = sending.mail_brand(ctx, issuer)
    return compose(kind, MailLanguage(told.language), brand, made)
