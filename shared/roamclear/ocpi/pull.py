"""The nightly pull: what a CPO's push missed is read from its Sender interface (product.md row 6; rules.md 4).

A partner is read in stretches of a day from its mark on. The mark moves over stretches that were read to their end,
so an outage of any length is caught up. A fault ends a stretch, never a partner; a partner never stops the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Original, Receipt
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput, Unavailable
from roamclear.ocpi import rules, store
from roamclear.ocpi.canonical import content_hash
from roamclear.ocpi.intake import receive_cdr
from roamclear.ocpi.model import Differs, Message, PullReport, Refused
from roamclear.ocpi.pages import MAX_LINK, SenderPage, first_url, offset_url, read_page, same_origin
from roamclear.outgoing import service as outgoing
from roamclear.partners import service as partners
from roamclear.partners.model import Credential

PAGE_LIMIT = 100
#: Senders order by ``last_updated`` and change while they are read: the last day is read again.
OVERLAP = timedelta(days=1)
STRETCH = timedelta(days=1)
#: A CDR this young may still be on its way by push: it is no gap, and the next night reads it.
YOUNG = timedelta(minutes=30)
#: A stretch that is never readable is left behind after this time, once later ones can be read.
PATIENCE = timedelta(days=14)
MAX_PAGES = 5_000
#: Pages that came before, or came empty with a further ``Link``, before a stretch is given up.
_MAX_IDLE = 3
_TRIES = 3
_PAUSE_S = 2
#: Stretches in a row that may fail before a partner is left alone for the night.
_MAX_FAILED = 2
_MAX_FAULTS = 20
Pause = Callable[[int], None]
TimeLeft = Callable[[], bool]


@dataclass(slots=True)
class _Tally:
    pages: int = 0
    seen: int = 0
    pushed: int = 0
    pulled_before: int = 0
    pulled_only: int = 0
    mismatched: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def pull_all(
    ctx: Context, *, time_left: TimeLeft, pause: Pause, tell: Callable[[str, Exception], None]
) -> list[PullReport]:
    """Pull from every registered CPO, the one that waited longest first; ``tell`` hears of what nobody expected."""
    waiting = [
        (store.pull_mark(ctx.db, c.issuer_id, c.partner_id, c.party) or c.issued_at_utc, c.credential_id, c)
        for issuer_id in identity.issuer_ids(ctx)
        for c in partners.callable_cpos(ctx, issuer_id)
    ]
    done = []
    for _, _, credential in sorted(waiting, key=lambda w: w[:2]):
        if not time_left():
            break
        try:
            done.append(pull_partner(ctx, credential, time_left=time_left, pause=pause))
        except Exception as error:
            tell(credential.credential_id, error)
    return done


def pull_partner(ctx: Context, credential: Credential, *, time_left: TimeLeft, pause: Pause) -> PullReport:
    """Read what a partner offers since its mark, take in what is new, and report the night."""
    issuer_id, partner_id, party = credential.issuer_id, credential.partner_id, credential.party
    end = ctx.now().replace(microsecond=0) - YOUNG
    mark = store.pull_mark(ctx.db, issuer_id, partner_id, party) or credential.issued_at_utc
    start = min(mark, end) - OVERLAP
    tally = _Tally()
    reached, gaps, failed = start, 0, 0
    for begin, stop in stretches(start, end):
        if _read(ctx, credential, begin, stop, tally, time_left, pause):
            failed = 0
            reached = stop if not gaps else max(reached, end - PATIENCE)
            if reached > mark:
                store.save_pull_mark(ctx.db, issuer_id, partner_id, party, reached)
        else:
            gaps, failed = gaps + 1, failed + 1
            if failed == _MAX_FAILED or not time_left():
                break
    report = PullReport(
        issuer_id=issuer_id,
        night=ctx.now().date().isoformat(),
        partner_id=partner_id,
        party=party,
        from_utc=start,
        to_utc=end,
        ended_at_utc=ctx.now(),
        complete=gaps == 0,
        pages=tally.pages,
        seen=tally.seen,
        pushed=tally.pushed,
        pulled_before=tally.pulled_before,
        pulled_only=tally.pulled_only,
        mismatched=tally.mismatched,
        refused=tally.refused,
        faults=tuple(tally.faults[:_MAX_FAULTS]),
    )
    store.save_pull(ctx.db, report)
    _tell(ctx, report)
    return report


def stretches(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Half-open stretches of at most a day from one instant to another.

    >>> from datetime import UTC
    >>> [(a.day, b.day) for a, b in stretches(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, 6, tzinfo=UTC))]
    [(1, 2), (2, 3), (3, 3)]
    """
    while start < end:
        yield start, min(start + STRETCH, end)
        start += STRETCH


def _read(
    ctx: Context,
    credential: Credential,
    begin: datetime,
    stop: datetime,
    tally: _Tally,
    time_left: TimeLeft,
    pause: Pause,
) -> bool:
    """Page through one stretch; False where its end was not reached."""
    assert credential.peer is not None
    assert credential.peer.cdrs_url is not None
    base = credential.peer.cdrs_url
    try:
        first = first_url(base, begin.replace(microsecond=0), stop, PAGE_LIMIT)
    except ValueError:
        tally.faults.append("the registered address of its CDRs is none")
        return False
    try:
        header = partners.call_header(ctx, credential)
    except Unavailable:
        tally.faults.append(f"{begin:%Y-%m-%d}: the partner's token could not be read")
        return False
    url: str | None = first
    asked: set[str] = set()
    known: set[str] = set()
    got = idle = 0
    counted = False
    while url is not None:
        fault = _forbidden(url, base, asked) if time_left() else "the time of this night was over"
        if fault is None:
            asked.add(url)
            page = _page(ctx, header, url, pause)
            fault = page if isinstance(page, str) else None
        if fault is not None:
            tally.faults.append(f"{begin:%Y-%m-%d}: {fault}"[:200])
            return False
        assert isinstance(page, SenderPage)
        tally.pages += 1
        digest = hashlib.sha256(b"\n".join(page.items)).hexdigest()
        fresh = bool(page.items) and digest not in known
        known.add(digest)
        if fresh:
            got += len(page.items)
            idle = 0
            _take(ctx, credential, page.items, tally)
        elif counted:
            return True  # its total counts more than its list holds
        else:
            idle += 1
        if idle == _MAX_IDLE and page.following is not None:
            if page.total is not None and got >= page.total:
                return True
            tally.faults.append(f"{begin:%Y-%m-%d}: the same pages come again and again")
            return False
        url, counted = page.following, False
        if url is None and fresh and page.total is not None and got < page.total:
            url, counted = offset_url(first, got), True
    return True


def _forbidden(url: str, base: str, asked: set[str]) -> str | None:
    if not same_origin(url, base):
        return "Link leads to another origin than the registered one"
    if url in asked:
        return "Link leads back to a page that was read"
    return f"more than {MAX_PAGES} pages" if len(asked) >= MAX_PAGES else None


def _page(ctx: Context, header: str, url: str, pause: Pause) -> SenderPage | str:
    """One page, asked for again where it does not come; else why it did not."""
    for attempt in range(1, _TRIES + 1):
        try:
            answered = outgoing.get(url, header, allow_loopback=ctx.stage == "local", max_url=MAX_LINK)
            return read_page(answered.body, answered.headers, url)
        except (InvalidInput, Unavailable) as error:
            fault = error.message
        if attempt < _TRIES:
            pause(_PAUSE_S * attempt)
    return fault


def _take(ctx: Context, credential: Credential, items: list[bytes], tally: _Tally) -> None:
    """Compare a page with what is known; the rest goes through the one intake."""
    assert credential.peer is not None
    version = credential.peer.version
    values = [_parsed(item) for item in items]
    refs = [_ref(credential, value) for value in values]
    stored = cdrs.originals(ctx, credential.issuer_id, {ref for ref in refs if ref is not None})
    for item, value, ref in zip(items, values, refs, strict=True):
        tally.seen += 1
        if ref in stored and _same(stored[ref], value, version):
            _count_known(tally, stored[ref])
            continue
        try:
            outcome = receive_cdr(ctx, credential, Message(version=version, body=item, path="pull"), source="pull")
        except InvalidInput as error:
            outcome = Refused(error.message, error.field)
        if isinstance(outcome, Differs):
            tally.mismatched += 1
        elif isinstance(outcome, Refused):
            tally.refused += 1
        elif outcome.receipt is Receipt.NEW:
            tally.pulled_only += 1
        else:
            tally.pushed += 1


def _same(known: Original, value: Any, version: str) -> bool:
    """Whether a pulled CDR says what is known; other versions have other words and are not compared."""
    return known.ocpi_version != version or known.content_hash == content_hash(value)


def _count_known(tally: _Tally, known: Original) -> None:
    if known.source == "pull":
        tally.pulled_before += 1
    else:
        tally.pushed += 1


def _parsed(item: bytes) -> Any:
    try:
        return numbers_json.loads(item)
    except InvalidInput:
        return None


def _ref(credential: Credential, value: Any) -> str | None:
    """The reference a CDR would have, where it is one of the partner's."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return None
    country, party_id = value.get("country_code"), value.get("party_id")
    if not all(part is None or isinstance(part, str) for part in (country, party_id)):
        return None
    party = rules.owner(credential, country, party_id)
    return None if isinstance(party, Refused) else rules.cdr_ref(party, value["id"])


def _tell(ctx: Context, report: PullReport) -> None:
    """A gap of the push is told once per night; a Sender that cannot be read until it can."""
    name = f"{report.partner_id}#{report.party}"
    if report.pulled_only:
        journal.raise_once(
            ctx,
            report.issuer_id,
            ExceptionType.PULL_GAP,
            f"{name}#{report.night}",
            f"{report.pulled_only} CDRs were not pushed and came by the nightly pull",
            partner=report.partner_id,
            next_action="ask the partner why its push failed",
            details={"pulled_only": str(report.pulled_only), "pushed": str(report.pushed)},
        )
    kind, subject = ExceptionType.PARTNER_SILENT, f"pull#{name}"
    if report.complete:
        journal.resolve(ctx, report.issuer_id, kind, subject, by="system:pull", reason="its CDRs were read")
        return
    journal.raise_once(
        ctx,
        report.issuer_id,
        kind,
        subject,
        f"its CDRs could not all be read: {report.faults[0] if report.faults else 'no reason'}"[:500],
        partner=report.partner_id,
        next_action="the next night tries again; look at /v1/pulls",
    )
