"""The CDR receiver: everything that happens inside the POST (rules.md 4), in the order that keeps it cheap."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Original, Receipt
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.ocpi import rules, store
from roamclear.ocpi.canonical import content_hash
from roamclear.ocpi.model import BODY_LIMIT_BYTES, ROW_LIMIT_BYTES, Differs, IngestEntry, Message, Pushed, Refused
from roamclear.partners.model import Credential
from roamclear.rating.model import ChargeRecord
from roamclear.rating.service import normalise_cdr

#: zlib's fast levels halve the time of the default one and cost a tenth more bytes on CDRs.
_LEVEL = 3


def receive_cdr(ctx: Context, credential: Credential, message: Message, source: str = "push") -> Pushed | Refused:
    """Take one CDR: rights, limits, wire rules, authority, ONE conditional write.

    What is refused is kept in the ingest log and is no CDR. A repeat of the same content is told as such; other
    content under a known id is kept beside the first one and refused.
    """
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    outcome, record = _received(ctx, credential, message, source)
    if credential.sandbox:
        from roamclear.ocpi import conformance

        conformance.note(ctx, credential, message, outcome, record)
    return outcome


def _received(
    ctx: Context, credential: Credential, message: Message, source: str
) -> tuple[Pushed | Refused, ChargeRecord | None]:
    taken = _read(credential, message)
    if isinstance(taken, Refused):
        return refuse(ctx, credential, message, "cdrs", taken), None
    party, record, obj, raw = taken
    original = _original(ctx, credential, message, source, party, record, obj, raw)
    if credential.sandbox and len(original.raw) > ROW_LIMIT_BYTES:
        large = Refused(f"the sandbox takes {ROW_LIMIT_BYTES} compressed bytes", "body")
        return refuse(ctx, credential, message, "cdrs", large, party=party, object_id=record.id), record
    receipt = store.sandbox_receive(ctx, original) if credential.sandbox else cdrs.receive(ctx, original)
    if receipt is Receipt.CONFLICT:
        reason = "id: this CDR is known with other content; a CDR never changes (OCPI mod_cdrs)"
        return Differs(reason, "id"), record
    return Pushed(receipt, party, record.id), record


def body_of(original: Original) -> bytes:
    """The JSON bytes of a stored CDR, without the byte order mark some partners send."""
    return zlib.decompress(original.raw).removeprefix(b"\xef\xbb\xbf")


def read_json(message: Message) -> Any | Refused:
    """The body as exact values; what is no JSON is answered with HTTP 400 (OCPI status_codes)."""
    if len(message.body) > BODY_LIMIT_BYTES:
        return Refused(f"the body has more than {BODY_LIMIT_BYTES} bytes", "body", http_status=413)
    try:
        value = numbers_json.loads(message.body)
        rules.check_text(message.body, value)
    except InvalidInput as error:
        return Refused(error.message, error.field, http_status=400)
    return value


def refuse(
    ctx: Context,
    credential: Credential,
    message: Message,
    module: str,
    refused: Refused,
    *,
    party: str = "",
    object_id: str = "",
) -> Refused:
    """Keep a refused message of a known partner (rules.md 4); the stream tells the exception journal."""
    entry = IngestEntry(
        issuer_id=credential.issuer_id,
        partner_id=credential.partner_id,
        credential_id=credential.credential_id,
        module=module,
        ocpi_version=message.version,
        received_at_utc=ctx.now(),
        sha256=hashlib.sha256(message.body).hexdigest(),
        size_bytes=len(message.body),
        raw=b"",
        party=party,
        object_id=object_id[: rules.MAX_ID],
        message=refused.reason[:500],
        field=refused.field[:200],
        http_status=refused.http_status,
        ocpi_code=refused.code.value,
        correlation_id=message.correlation_id,
        sandbox=credential.sandbox,
    )
    store.log_refused(ctx.db, entry, message.body)
    return refused


def _read(credential: Credential, message: Message) -> tuple[str, ChargeRecord, Mapping[str, Any], bytes] | Refused:
    value = read_json(message)
    if isinstance(value, Refused):
        return value
    raw = message.body
    if isinstance(value, list):
        if len(value) != 1:
            return Refused("one CDR per POST (OCPI mod_cdrs, POST)", "body")
        value, raw = value[0], rules.inner_object(raw)
    try:
        record = normalise_cdr(value, message.version)
    except InvalidInput as error:
        return Refused(error.message, error.field)
    party = rules.owner(credential, record.country_code, record.party_id)
    return party if isinstance(party, Refused) else (party, record, value, raw)


def _original(
    ctx: Context,
    credential: Credential,
    message: Message,
    source: str,
    party: str,
    record: ChargeRecord,
    obj: Mapping[str, Any],
    raw: bytes,
) -> Original:
    return Original(
        issuer_id=credential.issuer_id,
        cdr_ref=rules.cdr_ref(party, record.id),
        party=party,
        partner_id=credential.partner_id,
        route=credential.route,
        source=source,
        ocpi_version=message.version,
        received_at_utc=ctx.now(),
        sha256=hashlib.sha256(raw).hexdigest(),
        content_hash=content_hash(obj),
        raw=zlib.compress(raw, _LEVEL),
        correlation_id=message.correlation_id,
        to_party=message.to_party,
    )
