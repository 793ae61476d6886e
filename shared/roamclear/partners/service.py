"""Giving partners their tokens, taking them away, and knowing who knocks."""

from __future__ import annotations

import secrets

from pydantic import ValidationError

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotAuthenticated, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Put, Table
from roamclear.partners import limits, rules, store
from roamclear.partners.model import Credential, CredentialStatus, Peer, Wanted

__all__ = [
    "authenticate",
    "call_header",
    "callable_cpos",
    "count_request",
    "credential",
    "credentials",
    "header_for",
    "issue",
    "of_partner",
    "parties",
    "partner_ids",
    "presented",
    "renew",
    "revoke",
    "seal",
    "unregister",
]

header_for = rules.encode
count_request = limits.count_request


def issue(ctx: Context, actor: Actor, issuer_id: str, wanted: Wanted) -> tuple[Credential, str]:
    """Make a credential. The token is in the answer and nowhere else: only its hash is kept.

    With ``registration`` it is token A of the handshake, else it is good at once for what is granted.
    """
    authorise(actor, Right.USER_ADMIN, issuer_id)
    token = rules.make_token()
    writes, reads = rules.granted(wanted)
    asked = wanted.model_dump(exclude={"registration", "cpo_parties", "emsp_parties"})
    try:
        made = Credential(
            **asked,
            credential_id=f"crd-{secrets.token_hex(8)}",
            issuer_id=issuer_id,
            cpo_parties=writes,
            emsp_parties=reads,
            status=CredentialStatus.INVITED if wanted.registration else CredentialStatus.ACTIVE,
            token_hash=rules.token_hash(token),
            issued_at_utc=ctx.now(),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidInput(str(first["msg"]), field=".".join(str(p) for p in first["loc"])) from error

    def attempt() -> None:
        ctx.db.transact([*store.create_puts(made), _log(ctx, made, actor.actor_id, "ISSUED")])

    again_on_race(attempt)
    return made, token


def revoke(ctx: Context, actor: Actor, issuer_id: str, credential_id: str) -> Credential:
    """Kill a credential's token; the next request with it is 401. Again is harmless."""
    authorise(actor, Right.USER_ADMIN, issuer_id)
    return _end(ctx, credential(ctx, issuer_id, credential_id), actor.actor_id)


def unregister(ctx: Context, known: Credential) -> Credential:
    """The partner itself ends the connection (OCPI credentials DELETE)."""
    return _end(ctx, known, known.actor().actor_id)


def renew(ctx: Context, known: Credential, peer: Peer) -> tuple[Credential, str]:
    """Answer a handshake: a fresh token (C) for the same rights, the token it came with dies (OCPI credentials)."""
    token = rules.make_token()
    made = known.model_copy(
        update={
            "status": CredentialStatus.ACTIVE,
            "token_hash": rules.token_hash(token),
            "issued_at_utc": ctx.now(),
            "ocpi_version": peer.version,
            "peer": peer,
        }
    )

    def attempt() -> None:
        log = _log(ctx, made, known.actor().actor_id, "RENEWED")
        ctx.db.transact([*store.replace_writes(made, known), log])

    try:
        again_on_race(attempt)
    except ConditionFailed as error:
        raise Conflict("the credential was changed meanwhile", rule="TOKEN_REPLACED") from error
    return made, token


def seal(ctx: Context, known: Credential, token: str) -> bytes:
    """A partner's own token (B) as it is kept: readable for this credential only (docs/decisions/0018)."""
    return ctx.sealer.seal(token, _bound(known))


def call_header(ctx: Context, known: Credential) -> str:
    """The ``Authorization`` header to call a registered partner with; ``Unavailable`` where it cannot be read."""
    if known.peer is None:
        raise Conflict("the partner is not registered", rule="NOT_REGISTERED")
    token = ctx.sealer.unseal(known.peer.sealed_token, _bound(known))
    return rules.encode(token, known.peer.version, plain=known.plain_token)


def authenticate(ctx: Context, header: str | None) -> Credential:
    """The credential of an ``Authorization`` header, Base64 or raw; unknown and revoked ones are nobody."""
    for token in rules.candidates(header):
        found = store.find(ctx.db, rules.token_hash(token))
        if found is not None and found.status is not CredentialStatus.REVOKED:
            return found
    raise NotAuthenticated("the token is missing or unknown")


def presented(known: Credential, header: str | None) -> str:
    """The token of a header that made this credential known."""
    for token in rules.candidates(header):
        if rules.token_hash(token) == known.token_hash:
            return token
    raise NotAuthenticated("the token is missing or unknown")


def credential(ctx: Context, issuer_id: str, credential_id: str) -> Credential:
    """One credential of an issuer, or ``NotFound``."""
    known = store.hash_of(ctx.db, issuer_id, credential_id)
    found = store.find(ctx.db, known) if known else None
    if found is None:
        raise NotFound("no such credential")
    return found


def credentials(ctx: Context, actor: Actor, issuer_id: str) -> list[Credential]:
    """All credentials of an issuer, dead ones too."""
    authorise(actor, Right.USER_ADMIN, issuer_id)
    found = (store.find(ctx.db, known) for known in store.hashes(ctx.db, issuer_id))
    return [c for c in found if c is not None]


def callable_cpos(ctx: Context, issuer_id: str) -> list[Credential]:
    """The registered credentials of CPOs and hubs that offer their CDRs to be pulled (product.md row 6)."""
    found = (store.find(ctx.db, known) for known in store.hashes(ctx.db, issuer_id))
    return [
        c
        for c in found
        if c is not None
        and c.status is CredentialStatus.ACTIVE
        and not c.sandbox
        and c.cpo_parties
        and c.peer is not None
        and c.peer.cdrs_url is not None
    ]


def parties(ctx: Context, issuer_id: str) -> tuple[list[str], list[str]]:
    """The CPO and the eMSP parties that any credential of an issuer ever spoke for, sandboxes left out."""
    found = [store.find(ctx.db, known) for known in store.hashes(ctx.db, issuer_id)]
    real = [c for c in found if c is not None and not c.sandbox]
    return sorted({p for c in real for p in c.cpo_parties}), sorted({p for c in real for p in c.emsp_parties})


def of_partner(ctx: Context, issuer_id: str, partner_id: str) -> list[Credential]:
    """The credentials of a partner that are not revoked."""
    found = (store.find(ctx.db, known) for known in store.hashes(ctx.db, issuer_id))
    return [
        c for c in found if c is not None and c.partner_id == partner_id and c.status is not CredentialStatus.REVOKED
    ]


def partner_ids(ctx: Context, issuer_id: str) -> list[str]:
    """All partners an issuer ever gave a credential to."""
    return sorted(store.partner_ids(ctx.db, issuer_id))


def _bound(known: Credential) -> dict[str, str]:
    return {"issuer": known.issuer_id, "credential": known.credential_id}


def _end(ctx: Context, known: Credential, by: str) -> Credential:
    dead = known.model_copy(update={"status": CredentialStatus.REVOKED, "revoked_at_utc": ctx.now()})
    if known.status is CredentialStatus.REVOKED:
        return known

    def attempt() -> None:
        ctx.db.transact([store.revoke_update(known, dead), _log(ctx, dead, by, "REVOKED")])

    try:
        again_on_race(attempt)
    except ConditionFailed as error:
        if error.table != Table.IDENTITY.value:
            raise
    return dead


def _log(ctx: Context, made: Credential, by: str, action: str) -> Put:
    shown = made.model_dump(exclude={"peer", "token_hash"})
    return audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="CREDENTIAL",
        object_id=made.credential_id,
        actor_id=by,
        action=action,
        details={k: v for k, v in shown.items() if v is not None},
    )
