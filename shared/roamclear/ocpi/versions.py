"""What we offer: versions and their endpoints (OCPI version information)."""

from __future__ import annotations

from typing import Any

from roamclear.ocpi.model import VERSION_OF_RECORDS, VERSIONS
from roamclear.partners.model import Credential, CredentialStatus


def versions(base: str) -> list[dict[str, str]]:
    """The list of versions, the one we recommend first.

    >>> versions("https://x.example")[0]
    {'version': '2.2.1', 'url': 'https://x.example/ocpi/2.2.1/'}
    """
    return [{"version": version, "url": f"{base}/ocpi/{version}/"} for version in VERSIONS]


def details(base: str, version: str, credential: Credential) -> dict[str, Any]:
    """The endpoints of a version that are of use to a credential; addresses end with a slash, because clients append.

    2.1.1 knows no roles. Credentials' role has no meaning and is SENDER.
    """
    offered = [("credentials", "SENDER")]
    invited = credential.status is CredentialStatus.INVITED
    if credential.cpo_parties or invited:
        offered += [("cdrs", "RECEIVER"), ("locations", "RECEIVER"), ("tariffs", "RECEIVER")]
    if credential.emsp_parties or invited:
        offered += [("cdrs", "SENDER"), ("tariffs", "SENDER")]
        if version == VERSION_OF_RECORDS:
            offered += [("invoicereconciliation", "SENDER"), ("invoicereconciliation", "RECEIVER")]
    if version == "2.1.1":
        names = list(dict.fromkeys(name for name, _ in offered))
        endpoints = [{"identifier": name, "url": _url(base, version, name)} for name in names]
    else:
        endpoints = [{"identifier": n, "role": role, "url": _url(base, version, n)} for n, role in offered]
    return {"version": version, "endpoints": endpoints}


def _url(base: str, version: str, name: str) -> str:
    return f"{base}/ocpi/{version}/{name}/"
