"""Believable things for tests: an issuer, contracts, EVSEs, CDR bodies."""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from roamclear.cdrs.model import Original
from roamclear.contracts.model import Basis, Contract, Counterparty, Terms, VatCategory, VatTreatment
from roamclear.contracts.proposals import Proposal, Seen
from roamclear.identity.issuer import Address, Brand, Issuer
from roamclear.identity.model import Actor, Grant, Role
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.time import format_instant

ISSUER = "voltwerk"
PARTY = "DEVWK"
EMSP = "NLRON"
CONTRACT = "C-RON"


def actor(role: Role | str, *, name: str | None = None, contract_id: str | None = None) -> Actor:
    """A person with one role at the test issuer."""
    role = Role(role)
    grant = Grant(issuer_id=ISSUER, role=role, contract_id=contract_id)
    return Actor(actor_id=name or role.value.lower(), grants=(grant,))


def emsp_user(contract_id: str = CONTRACT) -> Actor:
    """A reviewer of an eMSP."""
    return actor(Role.EMSP_USER, name=f"reviewer-{contract_id}", contract_id=contract_id)


def issuer(**changes: Any) -> Issuer:
    """The legal entity that invoices."""
    return Issuer.model_validate(
        {
            "issuer_id": ISSUER,
            "legal_name": "Voltwerk Ladenetz GmbH",
            "address": Address(lines=("Hafenstrasse 12",), postal_code="20457", city="Hamburg", country="DE"),
            "vat_id": "DE136695976",
            "legal_id": "HRB 100001",
            "electronic_address": "DE136695976",
            "electronic_address_scheme": "9930",
            "iban": "DE89370400440532013000",
            "bic": "COBADEFFXXX",
            "zone": "Europe/Berlin",
            "parties": (PARTY,),
            "number_prefix": "VW",
            "brand": Brand(name="Voltwerk", contact_email="finance@voltwerk.example", contact_phone="+49 40 1234567"),
        }
        | changes
    )


def tariff(kwh: str = "0.39", session: str | None = None, **changes: Any) -> dict[str, Any]:
    """An OCPI 2.2.1 tariff with a price per kWh and, where asked for, per session."""
    components = [{"type": "ENERGY", "price": Decimal(kwh), "step_size": 1}]
    if session is not None:
        components.append({"type": "FLAT", "price": Decimal(session), "step_size": 1})
    return {
        "country_code": "DE",
        "party_id": "VWK",
        "id": "GRID",
        "currency": "EUR",
        "elements": [{"price_components": components}],
        "last_updated": "2026-01-01T00:00:00Z",
    } | changes


def terms(**changes: Any) -> Terms:
    """An agreement: reverse charge to the Netherlands, 0.39 per kWh and 0.50 per session."""
    base: dict[str, Any] = {
        "counterparty": Counterparty(
            legal_name="Ronde Mobiliteit B.V.",
            address=Address(lines=("Stationsplein 1",), postal_code="3511 ED", city="Utrecht", country="NL"),
            vat_id="NL002455799B11",
            electronic_address="NL002455799B11",
            electronic_address_scheme="9944",
            buyer_reference="RON-4711",
        ),
        "party_ids": (EMSP,),
        "currency": "EUR",
        "grid": ({"id": "standard", "tariff": tariff("0.39", "0.50")},),
        "basis": Basis.CONTRACT_GRID,
        "vat": VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Reverse charge"),
        "zone": "Europe/Berlin",
        "contact_emails": ("finance@ronde.example",),
        "payment_days": 30,
    }
    return Terms.model_validate(base | changes)


def cdr(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An OCPI 2.2.1 CDR of one hour and 20 kWh, priced by the CPO as the standard grid prices it."""
    start: datetime = changes.pop("start", datetime(2026, 10, 5, 10, 0, tzinfo=UTC) + timedelta(hours=2 * number))
    kwh = Decimal(str(changes.pop("kwh", "20")))
    hours = Decimal(str(changes.pop("hours", "1")))
    evse = changes.pop("evse", "DE*VWK*E001")
    total = changes.pop("total", kwh * Decimal("0.39") + Decimal("0.50"))
    emsp = changes.pop("emsp", EMSP)
    end = start + timedelta(seconds=int(hours * 3600))
    body: dict[str, Any] = {
        "country_code": "DE",
        "party_id": "VWK",
        "id": f"CDR-{number:06d}",
        "start_date_time": format_instant(start),
        "end_date_time": format_instant(end),
        "session_id": f"S-{number:06d}",
        "cdr_token": {
            "country_code": emsp[:2],
            "party_id": emsp[2:],
            "uid": f"TOKEN{number % 40:04d}",
            "type": "RFID",
            "contract_id": f"{emsp}C{number % 40:08d}",
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC1",
            "name": "Hafenparkhaus",
            "address": "Hafenstrasse 12",
            "city": "Hamburg",
            "postal_code": "20457",
            "country": "DEU",
            "coordinates": {"latitude": "53.543210", "longitude": "9.987654"},
            "evse_uid": "1",
            "evse_id": evse,
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2_COMBO",
            "connector_format": "CABLE",
            "connector_power_type": "DC",
        },
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": format_instant(start),
                "dimensions": [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": hours}],
            }
        ],
        "total_cost": {"excl_vat": total},
        "total_energy": kwh,
        "total_time": hours,
        "last_updated": format_instant(end),
    }
    return body | changes


def body_of(
    raw: dict[str, Any], *, received: datetime, partner: str = "VWK-BACKEND", version: str = "2.2.1"
) -> Original:
    """A received body as the OCPI room hands it to the intake."""
    data = numbers_json.dumps(raw).encode()
    party = f"{raw['country_code']}{raw['party_id']}".upper()
    canonical = {k: v for k, v in raw.items() if k != "last_updated" and v is not None}
    return Original(
        issuer_id=ISSUER,
        cdr_ref=f"{party}*{raw['id'].upper()}",
        party=party,
        partner_id=partner,
        route="P2P",
        source="push",
        ocpi_version=version,
        received_at_utc=received,
        sha256=hashlib.sha256(data).hexdigest(),
        content_hash=hashlib.sha256(numbers_json.dumps(canonical, sort_keys=True).encode()).hexdigest(),
        raw=zlib.compress(data),
    )


def found_issuer(ctx: Context, **changes: Any) -> Issuer:
    """Create the test issuer through its use case."""
    from roamclear.identity import service as identity

    return identity.save_issuer(ctx, actor(Role.ADMIN), issuer(**changes))


def found_contract(ctx: Context, contract_id: str = CONTRACT, **changes: Any) -> Contract:
    """Publish a contract through its use case."""
    from roamclear.contracts import service as contracts

    valid_from = changes.pop("valid_from", date(2026, 1, 1))
    return contracts.publish(
        ctx, actor(Role.FINANCE), ISSUER, contract_id, name=contract_id, valid_from=valid_from, terms=terms(**changes)
    )


def backdate(ctx: Context, contract_id: str = CONTRACT, **changes: Any) -> Proposal:
    """Put a version of past days in force: proposed by one person, approved by two others."""
    from roamclear.contracts import backdated

    valid_from, reason = changes.pop("valid_from", date(2026, 1, 1)), changes.pop("reason", "agreed at last")
    author = actor(Role.FINANCE)
    made = backdated.propose(
        ctx, author, ISSUER, contract_id, valid_from=valid_from, terms=terms(**changes), reason=f"{reason} {ctx.now()}"
    )
    seen = Seen(as_of_utc=ctx.now(), digest="0" * 64)
    for name in ("approver-1", "approver-2"):
        checker = actor(Role.FINANCE_APPROVER, name=name)
        made = backdated.approve(ctx, checker, ISSUER, contract_id, made.proposal_id, seen)
    return made


def found_own_account(ctx: Context, *, evses: tuple[str, ...] = ("DE*VWK*E001",)) -> None:
    """The CPO's own payout account, with EVSEs assigned to it since long ago."""
    from roamclear.evses import service as register
    from roamclear.evses.model import AccountKind, AccountTerms

    maker, checker = actor(Role.FINANCE), actor(Role.FINANCE_APPROVER)
    own = AccountTerms(
        kind=AccountKind.OWN,
        holder="Voltwerk Ladenetz GmbH",
        address=Address(lines=("Hafenstrasse 12",), postal_code="20457", city="Hamburg", country="DE"),
        email="finance@voltwerk.example",
    )
    if "OWN-1" not in {a.account_id for a in register.accounts(ctx, maker, ISSUER)}:
        register.create_account(ctx, maker, ISSUER, "OWN-1", "OWN-1", own)
    for evse_id in evses:
        register.register_location(ctx, ISSUER, PARTY, location(evse_id))
    asked = register.assign(ctx, maker, ISSUER, evses, "OWN-1", effective_from=datetime(2026, 9, 1, tzinfo=UTC))
    if asked.state == "PENDING":
        register.approve_assignment(ctx, checker, ISSUER, asked.request_id)


def location(evse_id: str, *, number: int = 1, kind: str = "DC", kw: int = 150) -> dict[str, Any]:
    """An OCPI 2.2.1 Location with one EVSE and one connector."""
    return {
        "country_code": "DE",
        "party_id": "VWK",
        "id": f"LOC{number}",
        "publish": True,
        "name": "Hafenparkhaus",
        "address": "Hafenstrasse 12",
        "city": "Hamburg",
        "postal_code": "20457",
        "country": "DEU",
        "coordinates": {"latitude": "53.543210", "longitude": "9.987654"},
        "time_zone": "Europe/Berlin",
        "evses": [
            {
                "uid": evse_id.replace("*", "-"),
                "evse_id": evse_id,
                "status": "AVAILABLE",
                "connectors": [
                    {
                        "id": "1",
                        "standard": "IEC_62196_T2_COMBO" if kind == "DC" else "IEC_62196_T2",
                        "format": "CABLE",
                        "power_type": kind if kind == "DC" else "AC_3_PHASE",
                        "max_voltage": 920 if kind == "DC" else 400,
                        "max_amperage": 200 if kind == "DC" else 32,
                        "max_electric_power": kw * 1000,
                        "last_updated": "2026-01-01T00:00:00Z",
                    }
                ],
                "last_updated": "2026-01-01T00:00:00Z",
            }
        ],
        "last_updated": "2026-01-01T00:00:00Z",
    }
