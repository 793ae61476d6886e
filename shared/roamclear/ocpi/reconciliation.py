"""Invoice Reconciliation: which CDRs are on which invoice (OCPI 2.3.0 ed2, mod_invoice_reconciliation).

One record per issued document and CPO party, made when the document is issued and never changed. The set is defined
by the list, not by time. A list longer than ``MAX_CDRS`` goes on in further records of the same invoice.

A record belongs to who drew the invoice up: the CPO where we sell, our eMSP party where we buy and bill ourselves. It
is read by the other side.
"""

from __future__ import annotations

import heapq
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from roamclear.billing import service as billing
from roamclear.billing.model import Document
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Unavailable
from roamclear.kernel.spool import Sorter
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
#: Sessions that one call reads: seconds, so that a batch of facts stays far below the function's time-out.
PIECE = 20_000
#: Stands in no party and no id (printable characters alone).
_SEPARATOR = "\x1f"


def publish_invoice(ctx: Context, issuer_id: str, number: str) -> int:
    """Make the records of an issued document, once for ever; returns how many are new.

    The ids are written to disk and sorted there. Of a document of more than ``PIECE`` sessions a call reads as many and
    asks for the next piece by a fact; the last piece makes the records.
    """
    header = billing.document(ctx, issuer_id, number)
    run = billing.run(ctx, issuer_id, header.run_id)
    parts = billing.parts(ctx, run)
    if header.place >= len(parts):
        return 0
    terms = contracts.version(ctx, issuer_id, run.contract_id, run.contract_version).terms
    step = billing.Step(ctx, run, f"RECORD{header.place}")
    with tempfile.TemporaryDirectory() as folder:
        ids = _Ids(Path(folder), by_reader=terms.is_reverse)
        state = step.state() or {"behind": None, "files": [], "read": 0}
        more = ids.read(parts[header.place], billing.Place.load(state["behind"]), state["read"])
        if more is not None:
            files = [*state["files"], step.put_file(ids.path)]
            told = store.record_step(issuer_id, number, step.turn + 1, ctx.now())
            step.keep({"behind": more.dump(), "files": files, "read": ids.count}, [told])
            return 0
        for key in state["files"]:
            if not ids.take(key, step):
                step.begin_anew()
                raise Unavailable("what was read of a document was forgotten; it is read again", number=number)
        made = place = 0
        for owner, reader, listed in ids.by_party():
            for record in records(ctx, header, owner, listed, place):
                place += 1
                readers = (reader,) if reader else terms.party_ids
                made += store.save_invoice_record(ctx.db, record, readers, reader_is_cpo=terms.is_reverse)
    return made


class _Ids:
    """The ids of a document's CDRs by party, on disk.

    Of a self-billed document each record is of one eMSP party of ours and one CPO, for CDR ids are unique per CPO
    only; it is listed for that CPO alone, and does not name it.
    """

    def __init__(self, folder: Path, *, by_reader: bool) -> None:
        self.path, self.count = folder / "ids", 0
        self._folder, self._by_reader = folder, by_reader
        self._named = Sorter(folder, "named")

    def read(self, rows: billing.Rows, behind: billing.Place | None, before: int) -> billing.Place | None:
        """Write a piece of the ids down; returns the place to go on from, or None where it was the last one."""
        self.count = before
        with self.path.open("w", encoding="utf-8", newline="\n") as stream:
            for place, sessions in rows.sessions(behind):
                stream.writelines(self._line(session) for session in sessions)
                if self.count - before >= PIECE:
                    return place
        self._add(self.path)
        return None

    def _line(self, session: Session) -> str:
        self.count += 1
        parties = (session.emsp_party, session.party) if self._by_reader else (session.party, "")
        return f"{_SEPARATOR.join((*parties, session.cdr_id, f'{self.count:012d}'))}\n"

    def take(self, key: str, step: billing.Step) -> bool:
        """Add the ids of an earlier piece; False where it is gone."""
        path = self._folder / "earlier"
        found = step.get_file(key, path)
        if found:
            self._add(path)
        return found

    def _add(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                self._named.add(line.removesuffix("\n"))

    def by_party(self) -> Iterator[tuple[str, str, Iterator[str]]]:
        """Owner, reader and ids, each id once where it came first; those that do not fit into ``cdrs`` come first."""
        placed, last = Sorter(self._folder, "placed"), None
        for line, _ in self._named:
            *parties, cdr_id, number = line.split(_SEPARATOR)
            if (*parties, cdr_id) != last:
                last = (*parties, cdr_id)
                placed.add(_SEPARATOR.join((*parties, str(int(_fits(cdr_id))), number)), cdr_id)
        for (owner, reader), lines in groupby(placed, key=lambda pair: tuple(pair[0].split(_SEPARATOR)[:2])):
            yield owner, reader, (cdr_id for _, cdr_id in lines)


def records(
    ctx: Context, header: Document, owner: str, listed: Iterable[str], place: int = 0
) -> Iterator[InvoiceRecord]:
    """The records of a document from the ids of the CDRs of an owner; the document's first one is named like it.

    ``place`` is how many records of the document there are already.
    """
    for chunk in chunks(listed):
        place += 1
        name = header.number if place == 1 else f"{header.number}-{place}"
        now = ctx.now()
        body = {
            "country_code": owner[:2],
            "party_id": owner[2:],
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


def chunks(listed: Iterable[str]) -> Iterator[dict[str, list[str]]]:
    """The fields of each record: ids that fit, and beside the first of them those that do not, which come before them.

    An id of more than 36 characters cannot stand in ``cdrs`` and cut it would name another CDR, so it stands whole in
    the additional field ``long_cdrs``. ``cdrs`` has at least one id: of long ids alone no record can be made.

    >>> list(chunks(["C" * 37, "A", "B"])) == [{"cdrs": ["A", "B"], "long_cdrs": ["C" * 37]}]
    True
    >>> list(chunks(["C" * 37]))
    []
    """
    long: list[str] = []
    fitting: list[str] = []
    for each in listed:
        if not _fits(each):
            long.append(each)
            continue
        if len(fitting) == MAX_CDRS:
            yield {"cdrs": fitting, **({"long_cdrs": long} if long else {})}
            long, fitting = [], []
        fitting.append(each)
    if fitting:
        yield {"cdrs": fitting, **({"long_cdrs": long} if long else {})}


def _fits(cdr_id: str) -> bool:
    return len(cdr_id) <= MAX_CDR_ID


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
