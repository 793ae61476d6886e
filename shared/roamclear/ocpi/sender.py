"""The Sender interfaces: paginated lists of CDRs and Tariffs for eMSPs (OCPI transport, pagination; rules.md 4)."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Original
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.time import parse_instant, sort_instant
from roamclear.ocpi import counting, rules, store
from roamclear.ocpi.convert import convert
from roamclear.ocpi.intake import body_of
from roamclear.ocpi.model import ListPage, ListQuery
from roamclear.ocpi.paging import EPOCH, MAX_BYTES, MAX_LIMIT, Position
from roamclear.partners.model import Credential


def cdr_page(ctx: Context, credential: Credential, query: ListQuery, version: str = "2.2.1") -> ListPage:
    """The CDRs whose token belongs to the caller, by the instant they became visible.

    ``date_from`` is inclusive, ``date_to`` exclusive; the order is stable. A page may hold fewer than asked for. A
    CDR that came in the caller's version is served unchanged, another one is turned into it.
    """
    authorise(credential.actor(), Right.CDR_PULL, credential.issuer_id)
    limit = min(query.limit, MAX_LIMIT)
    parties, issuer_id = credential.emsp_parties, credential.issuer_id
    # A sandbox sees what it sent, never what others drove.
    bounds = _bounds(ctx, issuer_id, parties, query) if not credential.sandbox else None
    if bounds is None:
        return ListPage(limit=MAX_LIMIT)
    start, end = bounds
    position = Position.decode(query.position) if query.position else None
    counted_to, counted, total = _total(ctx, issuer_id, parties, start, end, position)
    first: str | None = sort_instant(start)
    if position is not None:
        first = max(sort_instant(start), position.last + "\x00")
    elif query.offset:
        first = _seek(ctx, issuer_id, parties, start, end, query.offset)
    if first is None:
        return ListPage(total=total, limit=MAX_LIMIT)
    found = _merged(ctx, issuer_id, parties, first, sort_instant(end), limit + 1)
    bodies, last = _bodies(ctx, issuer_id, found[:limit], version)
    following = None
    if last is not None and last != found[-1][0]:
        following = Position(last, counted_to, counted).encode()
    return ListPage(bodies, total, MAX_LIMIT, following)


def stored_cdr(
    ctx: Context, credential: Credential, country_code: str, party_id: str, part: str, version: str
) -> bytes:
    """The JSON bytes of a CDR for who may write for its party or is its eMSP; else ``NotFound``.

    As they came in the version they came in, turned into any other version that is asked for.
    """
    authorise(credential.actor(), Right.CDR_PULL, credential.issuer_id)
    party = f"{country_code}{party_id}".upper()
    ref = rules.cdr_ref(party, rules.id_of_part(part))
    if credential.sandbox:
        found = store.sandbox_original(ctx.db, credential.issuer_id, ref)
        emsp = "" if party in credential.cpo_parties else None
    else:
        found = cdrs.original(ctx, credential.issuer_id, ref)
        emsp = _reader(ctx, credential, party, ref)
    if found is None or emsp is None or found.expired_at_utc is not None:
        raise NotFound("no such CDR")
    return body_in(found, version, emsp)


def _reader(ctx: Context, credential: Credential, party: str, ref: str) -> str | None:
    """The eMSP of a CDR that the caller may read (empty where none is known yet), None where it may not."""
    session = cdrs.session(ctx, credential.issuer_id, ref)
    if party in credential.cpo_parties:
        return session.emsp_party if session else ""
    readable = session is not None and session.available_at_utc is not None
    return session.emsp_party if session and readable and session.emsp_party in credential.emsp_parties else None


def tariff_page(ctx: Context, credential: Credential, query: ListQuery) -> ListPage:
    """The tariffs of the issuer's CPOs for an eMSP, by their last change."""
    authorise(credential.actor(), Right.CDR_PULL, credential.issuer_id)
    if not credential.emsp_parties or credential.sandbox:
        return ListPage(limit=MAX_LIMIT)
    limit = min(query.limit, MAX_LIMIT)
    after = sort_instant(max(query.date_from or EPOCH, EPOCH))
    before = sort_instant(query.date_to) if query.date_to else "9999"
    if after >= before:
        return ListPage(limit=MAX_LIMIT)
    total = store.tariff_count(ctx.db, credential.issuer_id, after=after, before=before)
    position = Position.decode(query.position) if query.position else None
    skip = 0 if position else min(query.offset, total)
    first = max(after, position.last + "\x00") if position else after
    found = store.tariff_keys(ctx.db, credential.issuer_id, after=first, before=before, limit=skip + limit + 1)[skip:]
    bodies = [zlib.decompress(o.raw) for o in store.objects(ctx.db, [key for _, key in found[:limit]])]
    following = None
    if len(found) > limit:
        following = Position(found[limit - 1][0], EPOCH, 0).encode()
    return ListPage(bodies, total, MAX_LIMIT, following)


def _bounds(ctx: Context, issuer_id: str, parties: Sequence[str], query: ListQuery) -> tuple[datetime, datetime] | None:
    """The asked-for bounds, cut to where anything can be; None where nothing can."""
    keys = [k for party in parties if (k := store.first_visible(ctx.db, issuer_id, party)) is not None]
    if not keys:
        return None
    earliest = parse_instant(min(keys).split("#", 1)[0])
    start = max(query.date_from or EPOCH, earliest)
    # Nothing becomes visible in the future; the spare day covers clocks that disagree.
    end = min(query.date_to or ctx.now() + timedelta(days=1), ctx.now() + timedelta(days=1))
    return (start, end) if start < end else None


def _total(
    ctx: Context,
    issuer_id: str,
    parties: Sequence[str],
    start: datetime,
    end: datetime,
    position: Position | None,
) -> tuple[datetime, int, int]:
    """(instant, count before it, count of all): later pages go on from what the first one counted."""
    border = min(max(counting.settled(ctx), start), end)
    counted = 0
    begin = start
    if position is not None and start <= position.counted_to <= end:
        begin, counted = position.counted_to, position.count
        border = max(border, begin)
    counted += sum(s.count for s in counting.segments(ctx, issuer_id, parties, begin, border))
    young = sum(s.count for s in counting.segments(ctx, issuer_id, parties, border, end))
    return border, counted, counted + young


def _seek(
    ctx: Context, issuer_id: str, parties: Sequence[str], start: datetime, end: datetime, offset: int
) -> str | None:
    """The sort key of the object at a bare offset, found through the counts; None beyond the end."""
    stretches = counting.segments(ctx, issuer_id, parties, start, end)
    while stretches:
        head, *stretches = stretches
        if offset >= head.count:
            offset -= head.count
        elif head.is_day:
            stretches = counting.hours_of(ctx, issuer_id, parties, head) + stretches
        else:
            after, before = sort_instant(head.start), sort_instant(head.end)
            found = _merged(ctx, issuer_id, parties, after, before, offset + 1)
            return found[offset][0] if len(found) > offset else None
    return None


def _merged(
    ctx: Context, issuer_id: str, parties: Sequence[str], after: str, before: str, limit: int
) -> list[tuple[str, str]]:
    """(sort key, eMSP party) of all parties in one order."""
    lists = [
        [(key, party) for key in store.visible(ctx.db, issuer_id, party, after=after, before=before, limit=limit)]
        for party in parties
    ]
    return list(heapq.merge(*lists))[:limit] if len(lists) != 1 else lists[0]


def _bodies(
    ctx: Context, issuer_id: str, found: Sequence[tuple[str, str]], version: str
) -> tuple[list[bytes], str | None]:
    """The bodies of one page as far as they fit into an answer, and the last sort key they cover."""
    refs = [key.split("#", 1)[1] for key, _ in found]
    known = cdrs.originals(ctx, issuer_id, refs)
    bodies: list[bytes] = []
    size = 0
    last: str | None = None
    for (key, emsp_party), ref in zip(found, refs, strict=True):
        original = known.get(ref) or cdrs.original(ctx, issuer_id, ref)
        # A CDR is served unchanged or, after the term of its detail, not at all.
        there = original is not None and original.expired_at_utc is None
        body = body_in(original, version, emsp_party) if original is not None and there else b""
        if bodies and size + len(body) > MAX_BYTES:
            break
        if body:
            bodies.append(body)
            size += len(body)
        last = key
    return bodies, last


def body_in(original: Original, version: str, emsp_party: str) -> bytes:
    """The JSON of a CDR in a version: the very bytes that came where it is the same."""
    raw = body_of(original)
    if original.ocpi_version == version:
        return raw
    value = numbers_json.loads(raw)
    made = convert(value, original.ocpi_version, version, party=original.party, emsp_party=emsp_party)
    return numbers_json.dumps(made).encode()
