"""The credentials module: who we are for a caller, and the handshake with tokens A, B and C (OCPI credentials)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, Unavailable
from roamclear.kernel.ids import party as party_ids
from roamclear.ocpi.intake import read_json
from roamclear.ocpi.model import Code, Message, Refused
from roamclear.outgoing import service as outgoing
from roamclear.partners import service as partners
from roamclear.partners.model import Credential, Peer
from roamclear.partners.rules import is_token

Json = dict[str, Any]
_MAX_LISTED = 100


def ours(ctx: Context, credential: Credential, version: str, base: str, token: str) -> Json:
    """Our credentials object for a caller; ``token`` is the one it calls us with.

    To an eMSP we speak for the issuer's CPO parties; to a CPO we are a hub, which 2.3.0 tells by ``hub_party_id``,
    and the eMSP of the parties whose charging we buy ourselves.
    """
    issuer = identity.issuer(ctx, credential.issuer_id)
    if not issuer.parties:
        raise Conflict("the issuer has no OCPI party yet", rule="ISSUER_WITHOUT_PARTY")
    url = f"{base}/ocpi/versions"
    if version == "2.1.1":
        return {"token": token, "url": url, **_role(issuer, issuer.parties[0], None)}
    roles = []
    if credential.emsp_parties:
        roles += [_role(issuer, each, "CPO") for each in issuer.parties]
    if credential.cpo_parties:
        roles.append(_role(issuer, issuer.parties[0], "OTHER" if version == "2.3.0" else "HUB"))
        roles += [_role(issuer, each, "EMSP") for each in issuer.emsp_parties]
    made: Json = {"token": token, "url": url, "roles": roles}
    if version == "2.3.0":
        made["hub_party_id"] = issuer.parties[0]
    return made


def register(ctx: Context, credential: Credential, message: Message, base: str) -> Json | Refused:
    """Take the caller's credentials, look at its versions with its token, and answer with a fresh token for it.

    The token this was sent with (A, or the old C) is dead afterwards. A caller that cannot be read is 3001, one that
    does not speak the version of this address 3002, one without endpoints 3003.
    """
    given = read_json(message)
    if isinstance(given, Refused):
        return given
    asked = _asked(given, credential, message.version)
    if isinstance(asked, Refused):
        return asked
    token, url, parties = asked
    # Made first: after the tokens were changed nothing may fail any more.
    answer = ours(ctx, credential, message.version, base, "")
    header = partners.header_for(token, message.version, plain=credential.plain_token)
    loopback = ctx.stage == "local"
    try:
        details_url = _version_url(outgoing.get_json(url, header, allow_loopback=loopback), message.version)
        if isinstance(details_url, Refused):
            return details_url
        endpoints = _endpoints(outgoing.get_json(details_url, header, allow_loopback=loopback))
    except Unavailable as error:
        return Refused(f"your API could not be used: {error.message}", "url", Code.PEER_UNUSABLE)
    except InvalidInput as error:
        return Refused(error.message, "url")
    if "credentials" not in {name.split(":")[0] for name in endpoints}:
        return Refused("your version details name no credentials endpoint", "endpoints", Code.NO_ENDPOINTS)
    sealed = partners.seal(ctx, credential, token)
    peer = Peer(versions_url=url, version=message.version, sealed_token=sealed, endpoints=endpoints, parties=parties)
    _, fresh = partners.renew(ctx, credential, peer)
    return answer | {"token": fresh}


def _asked(given: Any, credential: Credential, version: str) -> tuple[str, str, tuple[str, ...]] | Refused:
    """Token B, versions address and parties of a credentials object."""
    if not isinstance(given, dict):
        return Refused("the body is no object", "body")
    token, url = given.get("token"), given.get("url")
    if not isinstance(token, str) or not is_token(token):
        return Refused("token: 1 to 64 printable ASCII characters", "token")
    if not isinstance(url, str) or not url:
        return Refused("url is missing", "url")
    roles = [given] if version == "2.1.1" else given.get("roles")
    if not isinstance(roles, list) or not 1 <= len(roles) <= _MAX_LISTED:
        return Refused(f"roles: a list of 1 to {_MAX_LISTED}", "roles")
    found = [_party_of(role) for role in roles]
    if isinstance(given.get("hub_party_id"), str):
        found.append(given["hub_party_id"].upper())
    parties = tuple(dict.fromkeys(p for p in found if p is not None and party_ids.is_valid(p)))
    if credential.party not in parties:
        return Refused(f"roles: this token was given to {party_ids.format(credential.party)}", "roles")
    return token, url, parties


def _party_of(role: Any) -> str | None:
    if not isinstance(role, Mapping):
        return None
    country, party = role.get("country_code"), role.get("party_id")
    return party_ids.compact(country, party) if isinstance(country, str) and isinstance(party, str) else None


def _version_url(answer: Any, version: str) -> str | Refused:
    listed = _data(answer)
    if not isinstance(listed, list):
        raise Unavailable("its versions are no list")
    for row in listed[:_MAX_LISTED]:
        if isinstance(row, dict) and row.get("version") == version and isinstance(row.get("url"), str):
            return str(row["url"])
    return Refused(f"you do not offer version {version}", "url", Code.VERSION)


def _endpoints(answer: Any) -> dict[str, str]:
    """``module:role`` to address; 2.1.1 knows no roles."""
    details = _data(answer)
    listed = details.get("endpoints") if isinstance(details, dict) else None
    if not isinstance(listed, list):
        raise Unavailable("its version details name no endpoints")
    found: dict[str, str] = {}
    for row in listed[:_MAX_LISTED]:
        if isinstance(row, dict) and isinstance(row.get("identifier"), str) and isinstance(row.get("url"), str):
            role = row.get("role") if isinstance(row.get("role"), str) else ""
            name = f"{row['identifier']}:{role}" if role else row["identifier"]
            if len(name) <= 80 and len(row["url"]) <= outgoing.MAX_URL:
                found[name] = row["url"]
    return found


def _data(answer: Any) -> Any:
    if not isinstance(answer, dict) or answer.get("status_code") != Code.OK.value:
        raise Unavailable("its answer is no success (1000)")
    return answer.get("data")


def _role(issuer: Issuer, party: str, role: str | None) -> Json:
    made: Json = {
        "business_details": {"name": issuer.legal_name[:100]},
        "party_id": party[2:],
        "country_code": party[:2],
    }
    return {"role": role, **made} if role else made
