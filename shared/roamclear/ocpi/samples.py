"""Sample CDRs for the partner bench: one message per case, in the caller's name, with the answer to expect (B21). Pure.

Each call makes fresh ids, so a partner may send the messages as they are and in their order.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from roamclear.kernel.time import format_instant
from roamclear.ocpi.convert import convert
from roamclear.ocpi.model import BODY_LIMIT_BYTES, Code
from roamclear.partners.model import Credential
from roamclear.rating.service import alpha3

Json = dict[str, Any]
_NEW, _OLD = HTTPStatus.CREATED.value, HTTPStatus.OK.value
#: What each case shows, and how it is answered. A partner may ask for 200 where 201 stands.
CASES: dict[str, tuple[str, int, Code]] = {
    "NEW": ("a CDR that is not known yet", _NEW, Code.OK),
    "REPEAT": ("the same CDR once more, as after a lost answer", _OLD, Code.OK),
    "CONFLICT": ("other content under a known id: a CDR never changes", _OLD, Code.INVALID),
    "CREDIT": ("the credit of the first CDR: a new id, its total negated", _NEW, Code.OK),
    "BAD_FIELD": ("a field of the wrong kind (currency)", _OLD, Code.INVALID),
    "FOREIGN_PARTY": ("a CDR of a party that the token does not speak for", _OLD, Code.INVALID),
    "NOT_JSON": ("a body that is no JSON", HTTPStatus.BAD_REQUEST.value, Code.INVALID),
    "TOO_LARGE": ("a body beyond the limit", HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value, Code.INVALID),
}
#: 2.1.1 knows no credits, and no owner inside a CDR.
_NOT_IN_211 = ("CREDIT", "FOREIGN_PARTY")
_EMSP = "NLTST"
_PRICE_KWH = Decimal("0.39")


def cases_of(version: str) -> tuple[str, ...]:
    """The cases that a version can express.

    >>> "CREDIT" in cases_of("2.1.1"), len(cases_of("2.2.1"))
    (False, 8)
    """
    return tuple(name for name in CASES if version != "2.1.1" or name not in _NOT_IN_211)


def samples(credential: Credential, version: str, now: datetime) -> list[Json]:
    """One message per case in the order to send them: ``body`` as it is, or ``text`` where it is no JSON.

    ``pad_to_bytes`` asks to lengthen the body with blanks up to that many bytes.
    """
    party = credential.party if credential.party in credential.cpo_parties else credential.cpo_parties[0]
    first = _cdr(party, now)
    foreign = next(p for p in (f"{party[:2]}{suffix}" for suffix in ("ZZ9", "ZZ8")) if p not in credential.cpo_parties)
    bodies: dict[str, Json] = {
        "NEW": first,
        "REPEAT": first,
        "CONFLICT": first | {"remark": "not what was sent before"},
        "CREDIT": _credit(first),
        "BAD_FIELD": first | {"id": f"{first['id']}-B", "currency": 978},
        "FOREIGN_PARTY": first | {"id": f"{first['id']}-F", "country_code": foreign[:2], "party_id": foreign[2:]},
        "TOO_LARGE": first | {"id": f"{first['id']}-L"},
    }
    return [
        {
            "case": name,
            "shows": CASES[name][0],
            "expected": {"http_status": _status(credential, name), "status_code": CASES[name][2].value},
            **_body(name, bodies, version, party),
        }
        for name in cases_of(version)
    ]


def _status(credential: Credential, name: str) -> int:
    status = CASES[name][1]
    return _OLD if credential.answer_200 and status == _NEW else status


def _body(name: str, bodies: dict[str, Json], version: str, party: str) -> Json:
    if name == "NOT_JSON":
        return {"text": '{"id": "SAMPLE", "currency": '}
    body = {"body": convert(bodies[name], "2.2.1", version, party=party, emsp_party=_EMSP)}
    return body | {"pad_to_bytes": BODY_LIMIT_BYTES + 1} if name == "TOO_LARGE" else body


def _credit(first: Json) -> Json:
    return first | {
        "id": f"{first['id']}-C",
        "credit": True,
        "credit_reference_id": first["id"],
        "total_cost": {name: -value for name, value in first["total_cost"].items()},
    }


def _cdr(party: str, now: datetime) -> Json:
    """An hour of charging that ended ten minutes ago, told and priced without any contradiction."""
    end = now.replace(microsecond=0) - timedelta(minutes=10)
    start = end - timedelta(hours=1)
    kwh = Decimal("20.000")
    net = kwh * _PRICE_KWH
    cost = {"excl_vat": net, "incl_vat": net * Decimal("1.19")}
    name = f"SAMPLE-{now:%Y%m%dT%H%M%S%f}"
    component = {"type": "ENERGY", "price": _PRICE_KWH, "vat": Decimal(19), "step_size": 1}
    return {
        "country_code": party[:2],
        "party_id": party[2:],
        "id": name,
        "start_date_time": format_instant(start),
        "end_date_time": format_instant(end),
        "session_id": name,
        "cdr_token": {
            "country_code": _EMSP[:2],
            "party_id": _EMSP[2:],
            "uid": "SAMPLE0001",
            "type": "RFID",
            "contract_id": f"{_EMSP}C00000001",
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "SAMPLE",
            "address": "Sample street 1",
            "city": "Sample",
            "postal_code": "1000",
            "country": alpha3(party[:2]) or "NLD",
            "coordinates": {"latitude": "50.000000", "longitude": "8.000000"},
            "evse_uid": "SAMPLE-1",
            "evse_id": f"{party[:2]}*{party[2:]}*ESAMPLE1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [
            {
                "country_code": party[:2],
                "party_id": party[2:],
                "id": "SAMPLE",
                "currency": "EUR",
                "elements": [{"price_components": [component]}],
                "last_updated": format_instant(start),
            }
        ],
        "charging_periods": [
            {
                "start_date_time": format_instant(start),
                "dimensions": [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": Decimal(1)}],
                "tariff_id": "SAMPLE",
            }
        ],
        "signed_data": {
            "encoding_method": "OCMF",
            "signed_values": [{"nature": "End", "plain_data": "sample", "signed_data": "sample"}],
        },
        "total_cost": cost,
        "total_energy": kwh,
        "total_energy_cost": cost,
        "total_time": Decimal(1),
        "last_updated": format_instant(end),
    }
