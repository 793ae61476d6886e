"""Pure decisions of the OCPI endpoint: names of CDRs, parts of addresses, who may write what."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import party as party_ids
from roamclear.ocpi.model import Refused
from roamclear.partners.model import Credential

_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._*-]*", re.ASCII)
MAX_ID = 39


def cdr_ref(party: str, cdr_id: str) -> str:
    """The name of a CDR inside an issuer: owner and id, folded (a CDR id is unique per party, OCPI mod_cdrs).

    >>> cdr_ref("deabc", "cdr-1")
    'DEABC*CDR-1'
    """
    return f"{party.upper()}*{cdr_id.upper()}"


def path_part(object_id: str) -> str:
    """An id as one segment of an address: itself where it is harmless, else ``~`` and Base64url.

    Ids may hold slashes, blanks or dots alone, which gateways and clients rewrite.

    >>> path_part("CDR-1"), path_part("a/b")
    ('CDR-1', '~YS9i')
    """
    if _SAFE.fullmatch(object_id):
        return object_id
    return "~" + base64.urlsafe_b64encode(object_id.encode()).decode().rstrip("=")


def id_of_part(part: str) -> str:
    """The id behind ``path_part``; a segment that is none of ours is taken as it stands.

    >>> id_of_part("~YS9i"), id_of_part("CDR-1")
    ('a/b', 'CDR-1')
    """
    if not part.startswith("~"):
        return part
    try:
        return base64.urlsafe_b64decode(part[1:] + "=" * (-(len(part) - 1) % 4)).decode()
    except (binascii.Error, ValueError):
        return part


def location_url(base: str, version: str, party: str, cdr_id: str) -> str:
    """The address a CDR can be read back from (OCPI mod_cdrs, POST; we choose its shape).

    >>> location_url("https://x.example", "2.2.1", "DEABC", "1")
    'https://x.example/ocpi/2.2.1/cdrs/DE/ABC/1'
    """
    return f"{base}/ocpi/{version}/cdrs/{quote(party[:2])}/{quote(party[2:])}/{path_part(cdr_id)}"


def owner(credential: Credential, country_code: str | None, party_id: str | None) -> str | Refused:
    """The party an object belongs to, if the credential may write for it (rules.md 2).

    2.1.1 objects name no owner: it is the credential's own party, or the only one it speaks for.
    """
    if country_code is None or party_id is None:
        if credential.party in credential.cpo_parties:
            return credential.party
        if len(credential.cpo_parties) == 1:
            return credential.cpo_parties[0]
        return Refused("party_id: the owner cannot be told from this token", field="party_id")
    named = party_ids.compact(country_code, party_id)
    if named not in credential.cpo_parties:
        return Refused("party_id: this token may not write for this party", field="party_id")
    return named


def check_owner_in_url(obj: Mapping[str, Any], party: str, object_id: str, key: str) -> Refused | None:
    """An id or owner in the body that differs from the address is 2001 (OCPI transport, client owned objects)."""
    said = obj.get(key)
    if said is not None and str(said).upper() != object_id.upper():
        return Refused(f"{key} differs from the address", field=key)
    for name, expected in (("country_code", party[:2]), ("party_id", party[2:])):
        if obj.get(name) is not None and str(obj[name]).upper() != expected:
            return Refused(f"{name} differs from the address", field=name)
    return None


def check_text(raw: bytes, value: Any) -> None:
    """Texts must be Unicode: half a surrogate pair can be stored nowhere."""
    if b"\\ud" in raw or b"\\uD" in raw:
        _check_unicode(value)


def _check_unicode(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise InvalidInput("a text is not valid Unicode", field="body")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _check_unicode(key)
            _check_unicode(part)
    elif isinstance(value, list):
        for part in value:
            _check_unicode(part)


def inner_object(raw: bytes) -> bytes:
    """The bytes of the object in a list of one, as they were sent.

    >>> inner_object(b' [ {"id": 1} ]')
    b'{"id": 1}'
    """
    text = raw.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    return text[1:-1].strip(b" \t\r\n") if text.startswith(b"[") else raw
