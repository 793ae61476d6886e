"""The partner bench: which of a partner's messages passed which rule, and what it has tried (product.md B21)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from http import HTTPStatus
from itertools import islice
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Receipt
from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict
from roamclear.kernel.time import format_instant
from roamclear.ocpi import store
from roamclear.ocpi.certificates import rule_set
from roamclear.ocpi.model import BenchMessage, Code, Differs, IngestEntry, Message, Pushed, Refused
from roamclear.ocpi.samples import CASES, samples
from roamclear.partners.model import Credential
from roamclear.rating.model import ChargeRecord

Json = dict[str, Any]
_MOST = 50
_MOST_FINDINGS = 20
_GRAVITY = ("REJECT", "HOLD", "WARN")


def note(
    ctx: Context, credential: Credential, message: Message, outcome: Pushed | Refused, record: ChargeRecord | None
) -> None:
    """Keep a sandbox push with its case and rule results."""
    found: dict[str, list[dict[str, str]]] = {"wire": []}
    if isinstance(outcome, Refused):
        found["wire"].append(
            {"id": "WIRE", "severity": "REJECT", "message": outcome.reason[:500], "field": outcome.field[:200]}
        )
        status, code = outcome.http_status, outcome.code.value
    else:
        new = outcome.receipt is Receipt.NEW and not credential.answer_200
        status, code = (HTTPStatus.CREATED if new else HTTPStatus.OK).value, Code.OK.value
    if record is not None:
        for name, findings in cdrs.rule_results(record, ctx.now()).items():
            found[name] = [finding.dump() for finding in findings[:_MOST_FINDINGS]]
    made = BenchMessage(
        issuer_id=credential.issuer_id,
        credential_id=credential.credential_id,
        received_at_utc=ctx.now(),
        sha256=hashlib.sha256(message.body).hexdigest(),
        object_id=record.id if record else "",
        case=case_of(outcome, record),
        http_status=status,
        ocpi_code=code,
        ocpi_version=message.version,
        rule_set=rule_set(),
        rules={name: tuple(listed) for name, listed in found.items()},
    )
    store.save_bench(ctx, made)


def case_of(outcome: Pushed | Refused, record: ChargeRecord | None) -> str:
    """Which of ``CASES`` a push was."""
    if isinstance(outcome, Pushed):
        if outcome.receipt is not Receipt.NEW:
            return "REPEAT"
        return "CREDIT" if record is not None and record.credit else "NEW"
    if isinstance(outcome, Differs):
        return "CONFLICT"
    if outcome.http_status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.BAD_REQUEST):
        return "TOO_LARGE" if outcome.http_status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "NOT_JSON"
    return "FOREIGN_PARTY" if outcome.field == "party_id" else "BAD_FIELD"


def report(ctx: Context, credential: Credential) -> Json:
    """The latest messages of a credential, newest first; of a production one only what was refused since yesterday.

    ``result`` is the gravest of REJECT, HOLD and WARN among a message's findings, else OK; ``summary`` counts the
    results of the messages shown, ``cases`` how often which case was ever tried, ``missing`` those that never were.
    """
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    issuer_id, credential_id = credential.issuer_id, credential.credential_id
    days = (ctx.now(), ctx.now() - timedelta(days=1))
    messages = [
        _refused(entry)
        for day in days
        for entry in islice(store.refused(ctx.db, issuer_id, credential.partner_id, day), _MOST)
        if entry.credential_id == credential_id and not (credential.sandbox and entry.module == "cdrs")
    ]
    messages += [_shown(one) for one in store.bench_messages(ctx.db, issuer_id, credential_id, _MOST)]
    messages.sort(key=lambda m: str(m["received_at"]), reverse=True)
    results = [m["result"] for m in messages]
    tried = store.bench_cases(ctx.db, issuer_id, credential_id)
    return {
        "sandbox": credential.sandbox,
        "summary": {name: results.count(name) for name in ("OK", *reversed(_GRAVITY))},
        "cases": {name: tried.get(name, 0) for name in CASES},
        "missing": [name for name in CASES if name not in tried],
        "messages": messages[:_MOST],
    }


def sample_messages(ctx: Context, credential: Credential, version: str) -> list[Json]:
    """Messages for a sandbox to send, one per case, with the answers to expect; an eMSP sends none."""
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    if not credential.sandbox:
        raise Conflict("samples are for sandbox tokens", rule="NOT_A_SANDBOX")
    if not credential.cpo_parties:
        raise Conflict("this token speaks for no CPO and sends no CDRs", rule="NOT_A_CPO")
    return samples(credential, version, ctx.now())


def _refused(entry: IngestEntry) -> Json:
    finding = {"id": "WIRE", "severity": "REJECT", "message": entry.message, "field": entry.field}
    return {
        "received_at": format_instant(entry.received_at_utc),
        "module": entry.module,
        "id": entry.object_id,
        "http_status": entry.http_status,
        "status_code": entry.ocpi_code,
        "result": "REJECT",
        "rules": {"wire": "FAIL"},
        "findings": [finding],
    }


def _shown(one: BenchMessage) -> Json:
    findings = [finding for listed in one.rules.values() for finding in listed]
    seen = {finding["severity"] for finding in findings}
    return {
        "received_at": format_instant(one.received_at_utc),
        "module": "cdrs",
        "id": one.object_id,
        "case": one.case,
        "http_status": one.http_status,
        "status_code": one.ocpi_code,
        "result": next((name for name in _GRAVITY if name in seen), "OK"),
        "rules": {name: "FAIL" if listed else "PASS" for name, listed in one.rules.items()},
        "findings": findings,
    }
