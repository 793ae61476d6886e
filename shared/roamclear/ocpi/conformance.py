"""The partner bench: which of a partner's messages passed which rule (product.md B21)."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Original
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import format_instant
from roamclear.ocpi import store
from roamclear.ocpi.intake import body_of
from roamclear.ocpi.model import IngestEntry
from roamclear.partners.model import Credential
from roamclear.rating.service import normalise_cdr

Json = dict[str, Any]
_MOST = 50
_GRAVITY = ("REJECT", "HOLD", "WARN")


def report(ctx: Context, credential: Credential) -> Json:
    """The latest messages of a credential, newest first: what was refused since yesterday, and its sandbox CDRs.

    ``result`` is the gravest of REJECT, HOLD and WARN among the findings, else OK; ``summary`` counts the results.
    """
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    days = (ctx.now(), ctx.now() - timedelta(days=1))
    refused = [
        _refused(entry)
        for day in days
        for entry in islice(store.refused(ctx.db, credential.issuer_id, credential.partner_id, day), _MOST)
        if entry.credential_id == credential.credential_id
    ]
    taken = store.sandbox_latest(ctx.db, credential.issuer_id, credential.credential_id, _MOST)
    messages = sorted([*refused, *map(_checked, taken)], key=lambda m: str(m["received_at"]), reverse=True)
    results = [m["result"] for m in messages]
    return {"summary": {name: results.count(name) for name in ("OK", *reversed(_GRAVITY))}, "messages": messages}


def _refused(entry: IngestEntry) -> Json:
    finding = {"id": "WIRE", "severity": "REJECT", "message": entry.message, "field": entry.field}
    return {
        "received_at": format_instant(entry.received_at_utc),
        "module": entry.module,
        "id": entry.object_id,
        "http_status": entry.http_status,
        "status_code": entry.ocpi_code,
        "result": "REJECT",
        "findings": [finding],
    }


def _checked(original: Original) -> Json:
    try:
        charge = normalise_cdr(numbers_json.loads(body_of(original)), original.ocpi_version)
        found = [finding.dump() for finding in cdrs.findings(charge, original.received_at_utc)]
    except InvalidInput as error:
        found = [{"id": "WIRE", "severity": "REJECT", "message": error.message, "field": error.field}]
    seen = {finding["severity"] for finding in found}
    return {
        "received_at": format_instant(original.received_at_utc),
        "module": "cdrs",
        "id": original.cdr_ref.split("*", 1)[1],
        "http_status": 201,
        "status_code": 1000,
        "result": next((name for name in _GRAVITY if name in seen), "OK"),
        "findings": found,
    }
