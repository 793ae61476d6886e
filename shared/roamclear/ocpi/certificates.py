"""Certificates of the partner bench: every rule passed, in one OCPI version, under one set of rules (product.md B21).

A certificate is written once per credential, version and rule set and never changes. It is VALID as long as the rules
are the ones it names; when they change it is REVOKED by that alone, and a new one is earned under the new rules.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import service as cdrs
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, NotFound
from roamclear.kernel.record import plain
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import format_instant
from roamclear.ocpi import store
from roamclear.ocpi.model import VERSIONS, BenchMessage, Certificate, Code, Refused
from roamclear.ocpi.samples import CASES, cases_of
from roamclear.partners.model import Credential

Json = dict[str, Any]
VALID, REVOKED = "VALID", "REVOKED"
#: How many of a credential's latest messages are looked at.
_MOST_MESSAGES = 500
_MOST_LISTED = 500
_LINK_SECONDS = 900
#: A rule is passed by a finding that is only told, never by one that refuses or holds.
_GRAVE = ("REJECT", "HOLD")


@lru_cache(maxsize=1)
def rule_set() -> str:
    """The name of the present rules: a hash of the cases with their answers, the checks and their thresholds."""
    content = {
        "cases": {v: [[n, *map(str, CASES[n])] for n in cases_of(v)] for v in VERSIONS},
        "checks": plain(cdrs.rule_book()),
    }
    return hashlib.sha256(numbers_json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def rules_of(version: str) -> list[tuple[str, str]]:
    """(name, what it asks) of every rule that a certificate of a version stands for."""
    asked = [(f"case {name}", f"tried and answered as expected: {CASES[name][0]}") for name in cases_of(version)]
    checks = [(f"check {name}", text) for name, text in cdrs.rule_book()["checks"].items()]
    return [*asked, ("check wire", "the wire takes the newest new CDR and the newest credit"), *checks]


def missing(messages: list[BenchMessage], version: str) -> list[str]:
    """Names of the rules that were not passed; the newest message of a kind decides. ``messages`` newest first."""
    counted = [m for m in messages if m.ocpi_version == version and m.rule_set == rule_set()]
    tried = {m.case for m in counted}
    open_cases = [f"case {name}" for name in cases_of(version) if name not in tried]
    judged = [m for kind in ("NEW", "CREDIT") if (m := next((c for c in counted if c.case == kind), None)) is not None]
    failed = {
        f"check {name}"
        for message in judged
        for name, findings in message.rules.items()
        if any(finding["severity"] in _GRAVE for finding in findings)
    }
    checks = [name for name, _ in rules_of(version) if name.startswith("check ")]
    return [*open_cases, *(name for name in checks if name in failed or not judged)]


def issue(ctx: Context, credential: Credential, version: str) -> Json | Refused:
    """The certificate of a sandbox credential for a version, made now if every rule is passed; else what is missing."""
    _own(credential)
    known = store.certificate(ctx.db, credential.issuer_id, credential.credential_id, version, rule_set())
    if known is not None:
        return shown(known)
    messages = store.bench_messages(ctx.db, credential.issuer_id, credential.credential_id, _MOST_MESSAGES)
    open_rules = missing(messages, version)
    if open_rules:
        return Refused(f"not passed yet: {', '.join(open_rules)}"[:255], "rules", Code.CLIENT)
    made = _made(ctx, credential, version)

    def attempt() -> None:
        entry = audit.entry(
            ctx, issuer_id=made.issuer_id, kind="CERTIFICATE", object_id=made.certificate_id,
            actor_id=credential.actor().actor_id, action="ISSUED", details={"sha256": made.sha256},
        )  # fmt: skip
        ctx.db.transact([store.certificate_put(made), entry])

    try:
        again_on_race(attempt)
    except ConditionFailed:
        winner = store.certificate(ctx.db, made.issuer_id, made.credential_id, version, made.rule_set)
        if winner is None:
            raise
        return shown(winner)
    return shown(made)


def current(ctx: Context, credential: Credential, version: str) -> Json:
    """The newest certificate of a credential for a version, revoked or not, or ``NotFound``."""
    _own(credential)
    found = store.certificates(ctx.db, credential.issuer_id, credential.credential_id)
    of_version = [each for each in found if each.ocpi_version == version]
    if not of_version:
        raise NotFound("no certificate yet")
    return shown(max(of_version, key=lambda each: (each.rule_set == rule_set(), each.issued_at_utc)))


def listed(ctx: Context, actor: Actor, issuer_id: str) -> list[Json]:
    """All certificates of an issuer's partners, the latest first, with a link to the paper once it is drawn."""
    authorise(actor, Right.INGEST_VIEW, issuer_id)
    found = sorted(store.certificates(ctx.db, issuer_id), key=lambda c: c.issued_at_utc, reverse=True)
    return [shown(each) | _paper(ctx, each) for each in found[:_MOST_LISTED]]


def shown(known: Certificate) -> Json:
    """What everybody may read: the certified content, its hash, and whether it still holds."""
    state = VALID if known.rule_set == rule_set() else REVOKED
    because = {"revoked_because": "the set of rules has changed"} if state == REVOKED else {}
    return {**content(known), "sha256": known.sha256, "status": state, **because}


def content(known: Certificate) -> Json:
    """What is certified, in the order in which it is hashed."""
    return {
        "certificate_id": known.certificate_id,
        "issuer_id": known.issuer_id,
        "credential_id": known.credential_id,
        "partner_id": known.partner_id,
        "party": known.party,
        "ocpi_version": known.ocpi_version,
        "issued_at": format_instant(known.issued_at_utc),
        "rule_set": known.rule_set,
        "rules": [{"name": name, "asks": text} for name, text in known.rules],
    }


def digest(known: Certificate) -> str:
    """SHA-256 of the certified content as JSON without blanks, keys in the order of ``content``."""
    return hashlib.sha256(numbers_json.dumps(content(known)).encode()).hexdigest()


def _made(ctx: Context, credential: Credential, version: str) -> Certificate:
    blank = Certificate(
        issuer_id=credential.issuer_id,
        credential_id=credential.credential_id,
        partner_id=credential.partner_id,
        party=credential.party,
        ocpi_version=version,
        rule_set=rule_set(),
        rules=tuple(rules_of(version)),
        issued_at_utc=ctx.now().replace(microsecond=0),
        sha256="",
    )
    return blank.model_copy(update={"sha256": digest(blank)})


def _paper(ctx: Context, known: Certificate) -> Json:
    if known.pdf_key is None:
        return {}
    name = f"{known.certificate_id}.pdf"
    return {"pdf": ctx.objects.link("documents", known.pdf_key, seconds=_LINK_SECONDS, filename=name)}


def _own(credential: Credential) -> None:
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    if not credential.sandbox:
        raise Conflict("certificates are earned with a sandbox token", rule="NOT_A_SANDBOX")
