"""Part 1: issuer, contracts, payout accounts and credentials through the JSON API; locations over OCPI; assignments."""

from __future__ import annotations

from datetime import timedelta

from infra.local.demo import people
from infra.local.demo.desk import Desk
from infra.local.demo.network import EVSES, LOCATIONS, ocpi_location
from infra.local.demo.oddities import ODD, odd_place
from infra.local.demo.when import Month, stamp


def play(desk: Desk, month: Month) -> None:
    """Found the house in the first minutes of the month."""
    desk.chapter("1  Issuer, contracts, payout accounts, network")
    desk.at(month.at(1, 0, 1))
    _issuer_and_contracts(desk, month)
    _credentials(desk)
    _accounts(desk)
    _locations(desk, month)
    _assignments(desk, month)


def _issuer_and_contracts(desk: Desk, month: Month) -> None:
    made = desk.api("ADMIN", "PUT", "/v1/issuer", people.issuer())
    desk.expect(made["iban"] == people.ISSUER_IBAN, "the issuer has its brand, address, VAT id and IBAN", made)
    desk.note(f"issuer {made['legal_name']}, {made['vat_id']}")
    since = month.first - timedelta(days=365)
    for emsp in people.EMSPS:
        path = f"/v1/contracts/{emsp.contract_id}"
        made = desk.api("FINANCE", "PUT", path, people.contract(emsp, since), status=201)
        desk.expect(made["status"] == "ACTIVE", f"the contract {emsp.contract_id} is complete and active", made)
        desk.note(f"contract {emsp.contract_id} with {emsp.name}")
    listed = desk.api("VIEWER", "GET", "/v1/contracts")["items"]
    desk.expect(len(listed) == len(people.EMSPS), "three contracts stand in the list", listed)
    refused = desk.ask("OPS", "PUT", "/v1/contracts/C-OTHER", people.contract(people.RONDE, since))
    desk.expect(refused.status == 403, "operations may not make a contract", refused.text)
    desk.stack.grant("EMSP_USER", contract_id=people.RONDE.contract_id)
    foreign = desk.ask("EMSP_USER", "GET", f"/v1/contracts/{people.HERZ.contract_id}")
    desk.expect(foreign.status == 404, "an eMSP's user does not see another partner's contract", foreign.text)


def _credentials(desk: Desk) -> None:
    wanted = [
        {"partner_id": people.CPO_PARTNER, "party": people.PARTY, "role": "CPO"},
        {"partner_id": people.STRANGER, "party": people.STRANGER_PARTY, "role": "CPO"},
        *(people.credential(emsp) for emsp in people.EMSPS),
    ]
    for each in wanted:
        made = desk.api("ADMIN", "POST", "/v1/credentials", each, status=201)
        desk.tokens[each["partner_id"]] = made["token"]
    shown = desk.api("ADMIN", "GET", "/v1/credentials")
    hidden = not any(token in str(shown) for token in desk.tokens.values())
    desk.expect(hidden, "a token is told once and never again", shown)
    desk.note(f"{len(wanted)} OCPI credentials")


def _accounts(desk: Desk) -> None:
    for payee in people.PAYEES:
        body = {"name": payee.name, "terms": payee.terms}
        desk.api("OPS", "POST", f"/v1/payout-accounts/{payee.account_id}", body, status=201)
    refused = desk.ask("OPS", "POST", f"/v1/payout-accounts/{people.ELBTAL.account_id}/approve", {})
    desk.expect(refused.status == 403, "who enters bank details does not approve them", refused.text)
    desk.api("FINANCE_APPROVER", "POST", f"/v1/payout-accounts/{people.ELBTAL.account_id}/approve", {})
    desk.note("payout accounts OWN, ELBTAL (approved by a second person) and SEEBLICK (not approved yet)")


def _locations(desk: Desk, month: Month) -> None:
    for place in LOCATIONS:
        body = ocpi_location(place, month.at(1))
        if place is odd_place():
            extra = ocpi_location(place, month.at(1))["evses"][0]
            body["evses"].append(_as_odd(extra))
        path = f"/ocpi/2.2.1/locations/{people.PARTY[:2]}/{people.PARTY[2:]}/{place.location_id}"
        answer = desk.ocpi(people.CPO_PARTNER, "PUT", path, body)
        desk.expect(answer.status in (200, 201), f"the location {place.location_id} is taken over OCPI", answer.text)
    total = len(EVSES) + 1
    found = desk.until(lambda: _unassigned(desk, total), "the EVSEs of the locations stand in the register")
    desk.note(f"{len(LOCATIONS)} locations with {len(found)} EVSEs came over OCPI, all unassigned")


def _as_odd(evse: dict[str, object]) -> dict[str, object]:
    connector = {
        "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", "max_voltage": 230,
        "max_amperage": 32, "max_electric_power": ODD.kw * 1000, "last_updated": evse["last_updated"],
    }  # fmt: skip
    return evse | {"uid": ODD.uid, "evse_id": ODD.evse_id, "connectors": [connector]}


def _unassigned(desk: Desk, total: int) -> list[object]:
    found: list[object] = desk.api("OPS", "GET", "/v1/evses", table="unassigned")["items"]
    return found if len(found) == total else []


def _assignments(desk: Desk, month: Month) -> None:
    wanted: dict[str, list[str]] = {}
    for evse in (*(e for _, e in EVSES), ODD):
        if evse.account_id is not None:
            wanted.setdefault(evse.account_id, []).append(evse.evse_id)
    for account_id, evses in wanted.items():
        assign(desk, evses, account_id, stamp(month.at(1)))
    left = desk.api("OPS", "GET", "/v1/evses", table="unassigned")["items"]
    names = sorted(e["evse_id"] for e in left)
    expected = sorted(e.evse_id.replace("*", "") for _, e in EVSES if e.account_id is None)
    desk.expect([n.replace("*", "") for n in names] == expected, "the EVSEs without a payee are in the other table",
                names)  # fmt: skip
    desk.note(f"{sum(map(len, wanted.values()))} EVSEs assigned by one person, approved by another; "
              f"{len(left)} stay unassigned")  # fmt: skip


def assign(desk: Desk, evses: list[str], account_id: str, since: str) -> None:
    """Operations assigns; the account is young, so a second person must agree (rules.md 10)."""
    body = {"evse_ids": evses, "account_id": account_id, "effective_from": since}
    asked = desk.api("OPS", "POST", "/v1/evses:assign", body)
    if asked["state"] == "PENDING":
        path = f"/v1/assignment-requests/{asked['request_id']}/approve"
        refused = desk.ask("OPS", "POST", path, {})
        desk.expect(refused.status == 403, "who assigns to a young account does not approve it", refused.text)
        asked = desk.api("FINANCE_APPROVER", "POST", path, {})
    desk.expect(asked["state"] == "APPLIED", f"the EVSEs are assigned to {account_id}", asked)
