"""Where something of a subject is held, object by object, and until when because of what (product.md row 139)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from roamclear.billing import service as billing
from roamclear.billing.model import Document
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.detail import service as detail
from roamclear.cdrs.model import Original, Session
from roamclear.deliveries import service as deliveries
from roamclear.disputes import detail as disputes
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.ids import contract_id as emaid
from roamclear.kernel.time import local_date
from roamclear.ocpi import detail as refused
from roamclear.payouts import detail as payouts
from roamclear.privacy.model import Held, SessionOf, Subject
from roamclear.privacy.service import Expiry
from roamclear.rating.model import ChargeRecord
from roamclear.retention import pseudonyms, rules

#: Refused messages are looked through for so many days, unless the request names an earlier one.
REFUSED_DAYS = 90
_OPEN = "not settled: {reason}; the invoice, its payment or a dispute still needs it"
#: Says of everything that is not listed by object why it holds nothing, or for how long.
NOTES = (
    "Ledger, audit trail, webhooks, mails' texts and function logs hold no token and no contract id in clear.",
    "Changes of the tables are kept for 40 days and backups for 35 days, for a restore; then they are forgotten.",
    "Lists of open windows, previews and these packages are forgotten after 30 days.",
)


def refs(ctx: Context, issuer_id: str, subject: Subject) -> list[str]:
    """References of the CDRs of a token, by the index of its eMSP."""
    if subject.token_uid is None:
        return []
    names = pseudonyms.every(ctx, issuer_id)
    return detail.refs_of_token(ctx, issuer_id, subject.emsp_party, subject.token_uid, names)


def names_contract(ctx: Context, issuer_id: str, cdr_ref: str, subject: Subject) -> bool:
    """Whether a body names a contract id of an eMSP; a body whose detail expired by its pseudonym."""
    body = cdrs.original(ctx, issuer_id, cdr_ref)
    if body is None or subject.contract_id is None:
        return False
    charge = detail.charge_of(body)
    if charge is None:
        wanted = emaid.compact(subject.contract_id)
        known = pseudonyms.every(ctx, issuer_id)
        return any(detail.names(body, "contract", each.of("CONTRACT", wanted)) for each in known)
    return emaid.compact(charge.token.contract_id or "") == emaid.compact(subject.contract_id)


class Finder:
    """What is held of sessions of one issuer; documents and runs are read once."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self._ctx, self._issuer_id = ctx, issuer_id
        self.expiry = Expiry(ctx, issuer_id)
        self._terms = self.expiry.terms
        self._documents: dict[str, Document] = {}

    def session(self, cdr_ref: str) -> Iterator[SessionOf]:
        """The sessions of a CDR as far as they are held: itself and the corrections made of it."""
        body = cdrs.original(self._ctx, self._issuer_id, cdr_ref)
        charge = detail.charge_of(body) if body is not None else None
        for row in detail.family(self._ctx, self._issuer_id, cdr_ref):
            yield SessionOf(
                cdr_ref=row.cdr_ref,
                start_utc=row.start_utc,
                stop_utc=row.stop_utc,
                evse_id=row.evse_id,
                place=_place(charge) if charge and row.detail_expired_at_utc is None else None,
                country=row.country,
                energy_kwh=format(row.energy_kwh, "f"),
                net=format(row.net.to_decimal(), "f") if row.net else None,
                currency=row.currency,
                billing=billing.effective(row, self.expiry.standing.run(row.run_id)).value,
                documents=self.expiry.standing.numbers(row),
                detail_expired_at_utc=row.detail_expired_at_utc,
            )

    def held(self, cdr_ref: str) -> Iterator[Held]:
        """Every object that holds something of a CDR's driver."""
        body = cdrs.original(self._ctx, self._issuer_id, cdr_ref)
        rows = detail.family(self._ctx, self._issuer_id, cdr_ref)
        if body is not None:
            reason, due = self.expiry.until(rows, body.received_at_utc) if rows else ("NOT_PROCESSED", None)
            until, ground = self._why(reason, due)
            yield from self._bodies(body, until, ground)
            for row in rows:
                yield self._row(row, until, ground)
        for row in rows:
            yield from self._papers(row)

    def refused(self, subject: Subject, since: date | None) -> Iterator[Held]:
        """Refused messages that name the subject."""
        words = tuple(w for w in (subject.token_uid, subject.contract_id) if w)
        day = datetime.combine(since, datetime.min.time(), UTC) if since else self._ctx.now() - timedelta(REFUSED_DAYS)
        while day <= self._ctx.now():
            for entry in refused.naming(self._ctx, self._issuer_id, day, words):
                until = rules.detail_until(self._terms, entry.received_at_utc)
                yield Held(
                    cdr_ref="-",
                    object=f"refused message {entry.sha256[:16]}",
                    where="intake",
                    state="CLEAR",
                    until=until.date(),
                    ground=self._term_text(),
                    detail=f"received {entry.received_at_utc:%Y-%m-%d}",
                )
            day += timedelta(days=1)

    def _bodies(self, body: Original, until: date | None, ground: str) -> Iterator[Held]:
        gone = body.expired_at_utc
        state = "PSEUDONYMISED" if gone else "CLEAR"
        said = f"given up on {gone:%Y-%m-%d}; the hash of its bytes stays for the proof of the lock" if gone else ""
        yield Held(
            cdr_ref=body.cdr_ref, object="CDR as it came", where="intake", state=state,
            until=None if gone else until, ground="" if gone else ground, detail=said,
        )  # fmt: skip
        for other in detail.differing(self._ctx, body.issuer_id, body.cdr_ref):
            kept = other.expired_at_utc is None
            state, why = ("CLEAR", ground) if kept else ("PSEUDONYMISED", "")
            yield Held(
                cdr_ref=body.cdr_ref, object="differing body under its id", where="intake", state=state,
                until=until if kept else None, ground=why,
            )  # fmt: skip

    def _row(self, row: Session, until: date | None, ground: str) -> Held:
        kept = row.detail_expired_at_utc is None
        return Held(
            cdr_ref=row.cdr_ref, object="session with its price steps", where="clearing",
            state="CLEAR" if kept else "PSEUDONYMISED", until=until if kept else None, ground=ground if kept else "",
            detail="place and time of day; neither token nor contract id",
        )  # fmt: skip

    def _papers(self, row: Session) -> Iterator[Held]:
        for number in self.expiry.standing.numbers(row):
            header = self._document(number)
            end = rules.end_of(self._terms.document_years, header.issued_at_utc, self._terms.zone)
            yield Held(
                cdr_ref=row.cdr_ref, object=f"session lists of {number}", where="documents", state="MASKED",
                until=end.date(), ground=self._law(), detail="place and time, contract id masked; locked",
            )  # fmt: skip
            sent = [e for e in deliveries.log(self._ctx, self._issuer_id, number) if e.what.value == "MAILED"]
            if sent:
                yield Held(
                    cdr_ref=row.cdr_ref, object=f"mails with {number}", where="recipients", state="MASKED",
                    detail=f"{len(sent)} mail(s) handed over; their files are those above, no copy is held here",
                )  # fmt: skip
        run = self.expiry.standing.run(row.run_id)
        if run is not None and run.locked_at_utc is not None:
            end = rules.end_of(self._terms.document_years, run.locked_at_utc, self._terms.zone)
            yield Held(
                cdr_ref=row.cdr_ref, object="lock manifest", where="archive", state="PSEUDONYMISED",
                until=end.date(), ground=self._law(), detail="the hash of the CDR's bytes; locked",
            )  # fmt: skip
        payout = payouts.payout_of(self._ctx, row)
        if payout is not None:
            yield Held(
                cdr_ref=row.cdr_ref, object=f"payout statement {payout}", where="documents", state="MASKED",
                ground=self._law(), detail="place and time of the session; neither token nor contract id; locked",
            )  # fmt: skip
        if row.dispute_id is not None:
            gone = disputes.is_expired(self._ctx, self._issuer_id, row.dispute_id)
            yield Held(
                cdr_ref=row.cdr_ref, object=f"dispute {row.dispute_id} with its thread and files", where="clearing",
                state="ERASED" if gone else "CLEAR", detail="texts and files of both sides go with the session",
            )  # fmt: skip

    def _document(self, number: str) -> Document:
        if number not in self._documents:
            self._documents[number] = billing.document(self._ctx, self._issuer_id, number)
        return self._documents[number]

    def _why(self, reason: str | None, due: datetime | None) -> tuple[date | None, str]:
        if due is None:
            return None, _OPEN.format(reason=reason)
        return local_date(due, self._terms.zone), self._term_text()

    def _term_text(self) -> str:
        if self._terms.detail_months is not None:
            return f"detail is kept for {self._terms.detail_months} months behind the last document of a session"
        law = self._terms.legal_source or "the default of ten years"
        return f"the invoice rests on it; kept for {self._terms.detail_years} years behind its year ({law})"

    def _law(self) -> str:
        law = self._terms.legal_source or "no term known for the country"
        return f"books and documents are kept for {self._terms.document_years} years behind their year ({law})"


def controller(ctx: Context, issuer_id: str) -> str:
    """Who holds the data."""
    found = identity.issuer(ctx, issuer_id)
    return f"{found.legal_name}, {', '.join(found.address.lines)}, {found.address.postal_code} {found.address.city}"


def _place(charge: ChargeRecord) -> str:
    at = charge.location
    return ", ".join(part for part in (at.name, at.address, at.postal_code, at.city) if part)
