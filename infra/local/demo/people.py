"""Who takes part: the issuer, its partners with their prices, and who is paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

ISSUER_ID = "nordlicht"
PARTY = "DENLL"
CPO_PARTNER = "nordlicht-backend"
#: Speaks for another CPO: what it pushes for DE*NLL is not covered by its token.
STRANGER, STRANGER_PARTY = "baltic-charge", "DEBCH"
UNKNOWN_EMSP = "FRXMO"
ISSUER_IBAN = "DE89370400440532013000"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prices:
    """What a partner pays by kind of current; EUR."""

    ac_kwh: Decimal
    dc_kwh: Decimal
    session: Decimal = Decimal(0)
    night_off: Decimal = Decimal(0)
    parking_hour: Decimal = Decimal(0)

    def kwh(self, kind: str, hour: int) -> Decimal:
        """Price of a kWh that begins to flow in a local hour; the night lasts from 22 to 6."""
        price = self.ac_kwh if kind == "AC" else self.dc_kwh
        return price - self.night_off if hour >= 22 or hour < 6 else price


@dataclass(frozen=True, slots=True)
class Emsp:
    """A contract partner and the bank account it pays from."""

    contract_id: str
    partner_id: str
    party: str
    name: str
    mail: str
    iban: str
    prices: Prices
    country: str
    terms: Json


def issuer() -> Json:
    """The legal entity that invoices, white-label."""
    return {
        "issuer_id": ISSUER_ID,
        "legal_name": "Nordlicht Ladenetz GmbH",
        "address": {"lines": ["Am Sandtorkai 41"], "postal_code": "20457", "city": "Hamburg", "country": "DE"},
        "vat_id": "DE136695976",
        "legal_id": "HRB 100417",
        "electronic_address": "DE136695976",
        "electronic_address_scheme": "9930",
        "iban": ISSUER_IBAN,
        "bic": "COBADEFFXXX",
        "zone": "Europe/Berlin",
        "language": "DE",
        "parties": [PARTY],
        "number_prefix": "ND",
        "brand": {
            "name": "Nordlicht",
            "primary": "#0B3D5C",
            "accent": "#19A974",
            "footer": [
                "Nordlicht Ladenetz GmbH · Am Sandtorkai 41 · 20457 Hamburg",
                "Amtsgericht Hamburg HRB 100417 · USt-IdNr. DE136695976",
            ],
            "contact_name": "Roaming clearing",
            "contact_phone": "+49 40 5550 120",
            "contact_email": "clearing@nordlicht.example",
        },
    }


RONDE = Emsp(
    contract_id="C-RONDE",
    partner_id="ronde",
    party="NLRON",
    name="Ronde Mobiliteit B.V.",
    mail="roaming-finance@ronde.example",
    iban="NL67INGB0006543210",
    prices=Prices(ac_kwh=Decimal("0.42"), dc_kwh=Decimal("0.55"), session=Decimal("0.35")),
    country="NL",
    terms={
        "counterparty": {
            "legal_name": "Ronde Mobiliteit B.V.",
            "address": {"lines": ["Stationsplein 1"], "postal_code": "3511 ED", "city": "Utrecht", "country": "NL"},
            "vat_id": "NL002455799B11",
            "legal_id": "30123456",
            "electronic_address": "NL002455799B11",
            "electronic_address_scheme": "9944",
            "buyer_reference": "RON-4711",
        },
        "vat": {"category": "AE", "reason": "Reverse charge"},
        "language": "EN",
        "payment_days": 30,
    },
)
HERZ = Emsp(
    contract_id="C-HERZSTROM",
    partner_id="herzstrom",
    party="DEHZS",
    name="Herzstrom eMobility GmbH",
    mail="rechnungspruefung@herzstrom.example",
    iban="DE17100500000123456789",
    prices=Prices(
        ac_kwh=Decimal("0.45"), dc_kwh=Decimal("0.59"), night_off=Decimal("0.08"), parking_hour=Decimal("1.80")
    ),
    country="DE",
    terms={
        "counterparty": {
            "legal_name": "Herzstrom eMobility GmbH",
            "address": {"lines": ["Lindwurmstrasse 88"], "postal_code": "80337", "city": "München", "country": "DE"},
            "vat_id": "DE281471931",
            "electronic_address": "DE281471931",
            "electronic_address_scheme": "9930",
            "buyer_reference": "HZS-ROAMING",
        },
        "vat": {"category": "S", "rate_percent": 19},
        "language": "DE",
        "payment_days": 14,
    },
)
LUMINA = Emsp(
    contract_id="C-LUMINA",
    partner_id="lumina",
    party="BELUM",
    name="Lumina Mobility NV",
    mail="finance@lumina.example",
    iban="BE68539007547034",
    prices=Prices(ac_kwh=Decimal("0.44"), dc_kwh=Decimal("0.57")),
    country="BE",
    terms={
        "counterparty": {
            "legal_name": "Lumina Mobility NV",
            "address": {"lines": ["Kunstlaan 24"], "postal_code": "1000", "city": "Brussel", "country": "BE"},
            "vat_id": "BE0403930170",
            "electronic_address": "BE0403930170",
            "electronic_address_scheme": "9925",
            "buyer_reference": "LUM-7",
        },
        "vat": {"category": "AE", "reason": "Btw verlegd"},
        "language": "NL",
    },
)
EMSPS = (RONDE, HERZ, LUMINA)


def contract(emsp: Emsp, valid_from: date) -> Json:
    """The contract of an eMSP as the JSON API takes it."""
    grid = [
        {"id": f"{kind.lower()}-standard", "scope": {"power_types": [kind]}, "tariff": tariff(emsp, kind)}
        for kind in ("AC", "DC")
    ]
    terms = {
        "party_ids": [emsp.party],
        "currency": "EUR",
        "grid": grid,
        "basis": "CONTRACT_GRID",
        "zone": "Europe/Berlin",
        "contact_emails": [emsp.mail],
        **emsp.terms,
    }
    return {"name": f"Roaming {emsp.name}", "valid_from": valid_from.isoformat(), "terms": terms}


def tariff(emsp: Emsp, kind: str) -> Json:
    """The OCPI tariff that both sides agreed on for AC or DC."""
    prices = emsp.prices
    day = prices.kwh(kind, 12)
    if prices.night_off:
        elements = [
            {"price_components": [_component("ENERGY", prices.kwh(kind, 23))],
             "restrictions": {"start_time": "22:00", "end_time": "06:00"}},
            {"price_components": [_component("ENERGY", day)]},
        ]  # fmt: skip
    else:
        elements = [{"price_components": [_component("ENERGY", day)]}]
    if prices.session:
        elements[-1]["price_components"].append(_component("FLAT", prices.session))
    if prices.parking_hour:
        elements[-1]["price_components"].append(_component("PARKING_TIME", prices.parking_hour))
    return {
        "country_code": "DE",
        "party_id": PARTY[2:],
        "id": f"{emsp.party}-{kind}",
        "currency": "EUR",
        "elements": elements,
        "last_updated": "2026-01-01T00:00:00Z",
    }


def _component(kind: str, price: Decimal) -> Json:
    return {"type": kind, "price": price, "step_size": 1}


@dataclass(frozen=True, slots=True)
class Payee:
    """A payout account."""

    account_id: str
    name: str
    terms: Json


OWN = Payee(
    "OWN",
    "Nordlicht own network",
    {
        "kind": "OWN",
        "holder": "Nordlicht Ladenetz GmbH",
        "address": issuer()["address"],
        "email": "finance@nordlicht.example",
    },
)
ELBTAL = Payee(
    "ELBTAL",
    "Parkhaus Elbtal",
    {
        "kind": "EXTERNAL",
        "holder": "Parkhaus Elbtal Betriebs GmbH",
        "iban": "DE18850503000221234567",
        "vat_id": "DE305128747",
        "legal_id": "HRB 20417",
        "vat": {"category": "S", "rate_percent": 19},
        "address": {"lines": ["Terrassenufer 3"], "postal_code": "01067", "city": "Dresden", "country": "DE"},
        "email": "buchhaltung@parkhaus-elbtal.example",
        "agreement": {"reference": "GS-2026-014", "valid_from": "2026-01-01"},
        "share_percent": 82,
        "language": "DE",
    },
)
SEEBLICK = Payee(
    "SEEBLICK",
    "Hotel Seeblick",
    {
        "kind": "EXTERNAL",
        "holder": "Hotel Seeblick KG",
        "iban": "DE34130500000098765432",
        "vat_id": "DE299881235",
        "legal_id": "HRA 7712",
        "vat": {"category": "S", "rate_percent": 19},
        "address": {"lines": ["Strandallee 9"], "postal_code": "23683", "city": "Scharbeutz", "country": "DE"},
        "email": "verwaltung@hotel-seeblick.example",
        "agreement": {"reference": "GS-2026-021", "valid_from": "2026-01-01"},
        "share_percent": 85,
        "language": "DE",
    },
)
PAYEES = (OWN, ELBTAL, SEEBLICK)


def credential(emsp: Emsp) -> Json:
    """What an administrator asks for an eMSP."""
    return {"partner_id": emsp.partner_id, "party": emsp.party, "role": "EMSP"}
