"""Tokens: how they are made, kept, and read from a header that peers fill in different ways (OCPI transport, 2.2.1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import party
from roamclear.partners.model import PartnerRole, Wanted

_HEADER = re.compile(r"\s*Token\s+(\S{1,200})\s*", re.ASCII | re.IGNORECASE)
_TOKEN = re.compile(r"[!-~]{1,64}", re.ASCII)


def make_token() -> str:
    """A fresh token of 256 random bits: 43 printable characters (OCPI allows 64)."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """How a token is kept: SHA-256, hexadecimal. Tokens are random, so no salt is needed.

    >>> token_hash("example-token")[:8]
    '4d1566a1'
    """
    return hashlib.sha256(token.encode()).hexdigest()


def candidates(header: str | None) -> list[str]:
    """The tokens an ``Authorization`` header may mean, the decoded one first.

    2.2 and later send Base64 of the token, 2.1.1 the token itself, and real peers mix both up. The specification's own
    examples encode a trailing newline, so white space after decoding is dropped.

    >>> candidates("Token ZXhhbXBsZS10b2tlbgo=")
    ['example-token', 'ZXhhbXBsZS10b2tlbgo=']
    >>> candidates("Token plain!")
    ['plain!']
    >>> candidates("Bearer x")
    []
    """
    match = _HEADER.fullmatch(header) if header else None
    if match is None:
        return []
    raw = match[1]
    found = [decoded] if (decoded := _decoded(raw)) else []
    return [*found, raw] if _TOKEN.fullmatch(raw) else found


def encode(token: str, version: str, *, plain: bool = False) -> str:
    """The header value to send a token with: Base64 from 2.2 on, as it is in 2.1.1 or where the peer wants it plain.

    >>> encode("example-token", "2.2.1")
    'Token ZXhhbXBsZS10b2tlbg=='
    >>> encode("example-token", "2.1.1")
    'Token example-token'
    """
    if plain or version == "2.1.1":
        return f"Token {token}"
    return f"Token {base64.b64encode(token.encode()).decode()}"


def is_token(text: object) -> bool:
    """Whether a text is a token of 1 to 64 printable ASCII characters.

    >>> is_token("a b"), is_token("ab")
    (False, True)
    """
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def granted(wanted: Wanted) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parties a credential may write for and read; an empty pair is refused.

    >>> granted(Wanted(partner_id="abc", party="DE*ABC", role="CPO"))
    (('DEABC',), ())
    """
    own = party.validate(wanted.party)
    writes, reads = wanted.cpo_parties, wanted.emsp_parties
    if wanted.role is PartnerRole.CPO and not writes:
        writes = (own,)
    if wanted.role is PartnerRole.EMSP and not reads:
        reads = (own,)
    if not writes and not reads:
        raise InvalidInput("a hub's credential lists the parties it speaks for", field="cpo_parties")
    return tuple(party.validate(p) for p in writes), tuple(party.validate(p) for p in reads)


def _decoded(raw: str) -> str | None:
    try:
        text = base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True).decode("ascii").rstrip()
    except (binascii.Error, ValueError):
        return None
    return text if _TOKEN.fullmatch(text) else None
