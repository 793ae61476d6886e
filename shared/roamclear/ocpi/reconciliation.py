"""Invoice Reconciliation: which CDRs are on which invoice (OCPI 2.3.0 ed2, mod_invoice_reconciliation).

One record per issued document and CPO party, made when the document is issued and never changed. The set is defined
by the list, not by time. A list longer than ``MAX_CDRS`` goes on in further records of the same invoice.

A record belongs to who drew the invoice up: the CPO where we sell, our eMSP party where we buy and bill ourselves. It
is read by the other side.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Iterator, Sequence

from roamclear.billing import service as billing
from roamclear.billing.model import Document
from roamclear.billing.service import Row
from roamclear.contracts import service as contracts
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.time import format_instant, sort_instant
from roamclear.ocpi import store
from roamclear.ocpi.model import InvoiceRecord, ListPage, ListQuery
from roamclear.ocpi.paging import EPOCH, MAX_BYTES, MAX_LIMIT, Position
from roamclear.partners.model import Credential

#: ``cdrs`` holds ids of CiString(36); a credit's id may have 39 (decision 0016).
MAX_CDR_ID = 36
MAX_RECORD_ID = 36
#: A record of this many ids stays below 1 MB.
MAX_CDRS = 25_000


def publish_invoice(ctx: Context, issuer_id: str, number: str) -> int:
    """Make the records of an issued document, once for ever; returns how many are new."""
    header = billing.document(ctx, issuer_id, number)
    run = billing.run(ctx, issuer_id, header.run_id)
    parts = billing.parts(ctx, run)
    if header.place >= len(parts):
        return 0
    terms = contracts.version(ctx, issuer_id, run.contract_id, run.contract_version).terms
    if terms.is_reverse:
        return _publish_purchase(ctx, header, parts[header.place])
    by_party: dict[str, list[str]] = {}
    for session, _, _ in parts[header.place]:
        by_party.setdefault(session.party, []).append(session.cdr_id)
    made = 0
    for record in records(ctx, header, by_party):
        made += store.save_invoice_record(ctx.db, record, terms.party_ids)
    return made


def _publish_purchase(ctx: Context, header: Document, rows: Iterable[Row]) -> int:
    """The records of a self-billed document: one per eMSP party of ours and CPO, for CDR ids are unique per CPO only.

    Each is listed for that CPO alone; it does not name the CPO.
    """
    by_parties: dict[tuple[str, str], list[str]] = {}
    for session, _, _ in rows:
        by_parties.setdefault((session.emsp_party, session.party), []).append(session.cdr_id)
    made = place = 0
    for (owner, reader), listed in sorted(by_parties.items()):
        for record in records(ctx, header, {owner: listed}, place):
            place += 1
            made += store.save_invoice_record(ctx.db, record, (reader,), reader_is_cpo=True)
    return made


def records(ctx: Context, header: Document, by_party: dict[str, list[str]], place: int = 0) -> Iterator[InvoiceRecord]:
    """The records of a document from the ids of its CDRs by owner; the first one is named like the invoice.

    ``place`` is how many records of the document there are already.
    """
    for party, listed in sorted(by_party.items()):
        for chunk in chunks(listed):
            place += 1
            name = header.number if place == 1 else f"{header.number}-{place}"
            now = ctx.now()
            body = {
                "country_code": party[:2],
                "party_id": party[2:],
                "id": name[-MAX_RECORD_ID:],
                "invoice_id": header.number,
                **chunk,
                "last_updated": format_instant(now),
            }
            yield InvoiceRecord(
                issuer_id=header.issuer_id,
                record_id=body["id"],
                made_at_utc=now,
                raw=zlib.compress(numbers_json.dumps(body).encode(), 6),
            )


def chunks(listed: Sequence[str]) -> Iterator[dict[str, list[str]]]:
    """The fields of each record: ids that fit, and beside the first of them those that do not.

    An id of more than 36 characters cannot stand in ``cdrs`` and cut it would name another CDR, so it stands whole in
    the additional field ``long_cdrs``. ``cdrs`` has at least one id: of long ids alone no record can be made.

    >>> list(chunks(["A", "B", "A", "C" * 37])) == [{"cdrs": ["A", "B"], "long_cdrs": ["C" * 37]}]
    True
    >>> list(chunks(["C" * 37]))
    []
    """
    unique = list(dict.fromkeys(listed))
    fitting = [each for each in unique if len(each) <= MAX_CDR_ID]
    long = [each for each in unique if len(each) > MAX_CDR_ID]
    for at in range(0, len(fitting), MAX_CDRS):
        extra = {"long_cdrs": long} if at == 0 and long else {}
        yield {"cdrs": fitting[at : at + MAX_CDRS], **extra}


def record_page(ctx: Context, credential: Credential, query: ListQuery) -> ListPage:
    """The records of the caller's contracts by ``last_updated`` (inclusive, exclusive), in stable order."""
    authorise(credential.actor(), Right.CDR_PULL, credential.issuer_id)
    limit = min(query.limit, MAX_LIMIT)
    after = sort_instant(max(query.date_from or EPOCH, EPOCH))
    before = sort_instant(query.date_to) if query.date_to else "9999"
    if credential.sandbox or after >= before:
        return ListPage(limit=MAX_LIMIT)
    readers = [(party, False) for party in credential.emsp_parties]
    readers += [(party, True) for party in credential.cpo_parties]
    lists = [
        store.invoice_record_names(ctx.db, credential.issuer_id, party, after=after, before=before, is_cpo=is_cpo)
        for party, is_cpo in readers
    ]
    # A contract may cover several parties of the caller: the record is one all the same.
    found = list(dict.fromkeys(heapq.merge(*lists)))
    position = Position.decode(query.position) if query.position else None
    rest = [name for name in found if name > position.last] if position else found[query.offset :]
    bodies: list[bytes] = []
    size = 0
    for name in rest[:limit]:
        body = store.invoice_record_body(ctx.db, credential.issuer_id, name.split("#", 1)[1])
        if bodies and size + len(body) > MAX_BYTES:
            break
        bodies.append(body)
        size += len(body)
    following = Position(rest[len(bodies) - 1], EPOCH, 0).encode() if len(rest) > len(bodies) else None
    return ListPage(bodies, len(found), MAX_LIMIT, following)
