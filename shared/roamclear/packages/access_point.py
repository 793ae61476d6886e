"""Documents for an e-invoice access point: a UBL and a ticket left for it, status files taken back.

The access point reads ``access-point/out/`` of the exports bucket and writes ``access-point/in/<issuer>/``: a new file
name per status. A ticket is written after its UBL, so whoever sees the ticket finds the file.
"""

from __future__ import annotations

import hashlib
from datetime import UTC

from pydantic import ValidationError

from roamclear.billing import service as billing
from roamclear.billing.model import Document
from roamclear.contracts.model import DeliveryChannel, Terms
from roamclear.deliveries import service as deliveries
from roamclear.deliveries.model import Entry, What
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.pdf import issuer_of, recipient_of
from roamclear.documents.ubl import write_ubl
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput, NotFound, RoamclearError
from roamclear.mode import service as mode
from roamclear.packages import store
from roamclear.packages.model import ReadFile, Reported, StatusFile

OUT = "access-point/out"
IN = "access-point/in"
MOST_BYTES = 100_000
#: Files of one run of the courier; the next run reads on.
MOST_FILES = 500


def submit(ctx: Context, terms: Terms, header: Document, model: InvoiceDocument) -> bool:
    """Leave a document for the access point where the contract says so; again leaves the same bytes."""
    if terms.delivery_channel is not DeliveryChannel.ACCESS_POINT:
        return False
    mode.require_normal(ctx)
    name = f"{OUT}/{header.issuer_id}/{header.number}"
    ubl = ctx.objects.put("exports", f"{name}.ubl.xml", write_ubl(model), "application/xml")
    sender, receiver = issuer_of(model), recipient_of(model)
    ticket = {
        "ticket": header.number,
        "issuer_id": header.issuer_id,
        "type_code": header.type_code,
        "issue_date": header.issue_date.isoformat(),
        "sender": {"scheme": sender.electronic_scheme, "id": sender.electronic_address},
        "receiver": {"scheme": receiver.electronic_scheme, "id": receiver.electronic_address},
        "file": ubl.key,
        "sha256": ubl.sha256,
        "size": ubl.size,
    }
    body = numbers_json.dumps(ticket, sort_keys=True, indent=1).encode()
    ctx.objects.put("exports", f"{name}.json", body, "application/json")
    _log(
        ctx,
        Entry(
            issuer_id=header.issuer_id,
            subject=header.number,
            entry_id="TICKET",
            at_utc=ctx.now(),
            what=What.SUBMITTED,
            recipients=(f"{receiver.electronic_scheme}:{receiver.electronic_address}",),
        ),
    )
    return True


def read_statuses(ctx: Context, issuer_id: str) -> dict[str, int]:
    """Take the status files of an issuer that were not read yet; a bad one is set aside with its reason."""
    done = {"taken": 0, "quarantined": 0}
    files = store.unread(ctx.db, issuer_id, ctx.objects.keys("exports", f"{IN}/{issuer_id}/"))
    for file in files[:MOST_FILES]:
        done["taken" if read_status(ctx, issuer_id, file) else "quarantined"] += 1
    return done


def read_status(ctx: Context, issuer_id: str, file: str) -> bool:
    """Take one status file; False when it was set aside. What it tells is logged before the file counts as read."""
    body = ctx.objects.get("exports", file) or b""
    reason = ""
    try:
        _take(ctx, issuer_id, file, _parsed(body))
    except (InvalidInput, NotFound) as error:
        reason = _why(error)
        journal.raise_once(
            ctx, issuer_id, ExceptionType.DELIVERY_FAILED, f"status#{file}"[:400],
            f"a status file of the access point was set aside: {reason}",
            next_action="ask the access point for a right file under another name",
        )  # fmt: skip
    made = ReadFile(
        issuer_id=issuer_id,
        file=file,
        sha256=hashlib.sha256(body).hexdigest(),
        state="QUARANTINED" if reason else "TAKEN",
        reason=reason,
        read_at_utc=ctx.now(),
    )
    ctx.db.write(store.read_put(made))
    return not reason


def _parsed(body: bytes) -> StatusFile:
    raw = numbers_json.loads(body, limit_bytes=MOST_BYTES)
    if not isinstance(raw, dict):
        raise InvalidInput("a status file is a JSON object", field="file")
    try:
        found = StatusFile.load(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidInput(str(first["msg"]), field=".".join(map(str, first["loc"])) or "file") from error
    if found.at.tzinfo is None:
        raise InvalidInput("the instant has no zone", field="at")
    if found.status is Reported.REJECTED and not found.reason.strip():
        raise InvalidInput("a rejection says why", field="reason")
    return found


def _take(ctx: Context, issuer_id: str, file: str, told: StatusFile) -> None:
    header = billing.document(ctx, issuer_id, told.ticket)
    if not any(line.what is What.SUBMITTED for line in deliveries.log(ctx, issuer_id, header.number)):
        raise InvalidInput("this document was not given to the access point", field="ticket")
    if told.status is Reported.REJECTED:
        journal.raise_once(
            ctx,
            issuer_id,
            ExceptionType.DELIVERY_FAILED,
            f"{header.number}#ACCESS_POINT",
            f"the access point rejected the document: {told.reason}"[:800],
            severity="HIGH",
            partner=header.contract_id,
            document=header.number,
            next_action="correct the named fault with a credit note and a new document, or send it by mail",
        )
    line = Entry(
        issuer_id=issuer_id,
        subject=header.number,
        entry_id=f"STATUS#{hashlib.sha256(file.encode()).hexdigest()[:32]}",
        at_utc=told.at.astimezone(UTC),
        what=What(told.status.value),
        reason=told.reason,
    )
    _log(ctx, line)


def _why(error: RoamclearError) -> str:
    field = error.details.get("field")
    return f"{field}: {error.message}" if field else error.message


def _log(ctx: Context, line: Entry) -> None:
    try:
        ctx.db.write(deliveries.entry(line))
    except ConditionFailed:
        return  # it stands there already
