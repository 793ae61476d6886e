"""Actors, accounts and EVSEs for tests of who is paid."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from roamclear.cdrs.model import Billing, Session
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.evses import service as evses
from roamclear.evses.model import AccountKind, AccountTerms, Agreement
from roamclear.identity import service as identity
from roamclear.identity.issuer import Address, Brand, Issuer
from roamclear.identity.model import Actor, Grant, Role
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit

ISSUER = "acme"
IBAN = "DE89370400440532013000"
OTHER_IBAN = "FR1420041010050500013M02606"


def actor(name: str, *roles: Role, issuer_id: str = ISSUER, account_id: str | None = None) -> Actor:
    """A person with roles at the issuer."""
    grants = tuple(Grant(issuer_id=issuer_id, role=role, account_id=account_id) for role in roles)
    return Actor(actor_id=name, grants=grants)


MAKER = actor("fin-1", Role.FINANCE)
CHECKER = actor("app-1", Role.FINANCE_APPROVER)
OPS = actor("ops-1", Role.OPS)
ADMIN = actor("adm-1", Role.ADMIN)


def terms(**changes: Any) -> AccountTerms:
    """Terms of an external, taxable holder with an agreement; 80 % share."""
    base: dict[str, Any] = {
        "kind": AccountKind.EXTERNAL,
        "holder": "Parkhaus Müller GmbH",
        "iban": IBAN,
        "vat_id": "DE136695976",
        "vat": VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19)),
        "address": Address(lines=("Hauptstr. 1",), postal_code="10115", city="Berlin", country="DE"),
        "email": "pay@parkhaus.example",
        "agreement": Agreement(reference="SB-1", valid_from=date(2026, 1, 1)),
        "share_percent": Decimal(80),
        "minimum": Money(1000, "EUR"),
    }
    return AccountTerms(**(base | changes))


def own_terms() -> AccountTerms:
    """Terms of the issuer's own chargers."""
    return terms(kind=AccountKind.OWN, holder="Acme Charging", iban=None, agreement=None, share_percent=Decimal(100))


def issuer(ctx: Context) -> Issuer:
    """The issuer as a row."""
    made = Issuer(
        issuer_id=ISSUER,
        legal_name="Acme Charging GmbH",
        address=Address(lines=("Ring 5",), postal_code="10117", city="Berlin", country="DE"),
        vat_id="DE136695976",
        legal_id="HRB 1",
        iban="DE02120300000000202051",
        bic="BYLADEM1001",
        zone="Europe/Berlin",
        electronic_address="ap@acme.example",
        electronic_address_scheme="EM",
        number_prefix="AC",
        brand=Brand(name="Acme"),
    )
    return identity.save_issuer(ctx, ADMIN, made)


def location(count: int = 1, *, first: int = 1, **changes: Any) -> dict[str, Any]:
    """An OCPI 2.2.1 Location with EVSEs DE*ABC*E1, E2 …"""
    base: dict[str, Any] = {
        "country_code": "DE",
        "party_id": "ABC",
        "id": f"LOC{first}",
        "name": "Gent Zuid",
        "address": "F.Rooseveltlaan 3A",
        "city": "Gent",
        "postal_code": "9000",
        "country": "BEL",
        "time_zone": "Europe/Brussels",
        "suboperator": {"name": "Sub One"},
        "evses": [
            {
                "uid": f"U{number}",
                "evse_id": f"DE*ABC*E{number}",
                "status": "AVAILABLE",
                "connectors": [
                    {"id": "1", "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 32},
                ],
            }
            for number in range(first, first + count)
        ],
    }
    return base | changes


def chargers(ctx: Context, count: int = 1) -> list[str]:
    """Registered EVSEs."""
    return evses.register_location(ctx, ISSUER, "DEABC", location(count))


def session(number: int, net_minor: int, *, account: str | None = "P1", **changes: Any) -> Session:
    """A locked session of run R with a net amount in cents."""
    base: dict[str, Any] = {
        "issuer_id": ISSUER,
        "cdr_ref": f"DEABC.C{number:06d}",
        "cdr_id": f"C{number:06d}",
        "sha256": "0" * 64,
        "party": "DEABC",
        "emsp_party": "NLEMS",
        "partner_id": "cpo",
        "route": "direct",
        "source": "PUSH",
        "evse_id": f"DEABCE{number % 3 + 1}",
        "start_utc": datetime(2026, 10, 2, tzinfo=UTC) + timedelta(minutes=number),
        "stop_utc": datetime(2026, 10, 2, 1, tzinfo=UTC) + timedelta(minutes=number),
        "zone": "Europe/Berlin",
        "energy_kwh": Decimal("10.5"),
        "received_at_utc": datetime(2026, 10, 2, 2, tzinfo=UTC),
        "billing": Billing.LOCKED,
        "contract_id": "EMSP-1",
        "net": Money(net_minor, "EUR"),
        "currency": "EUR",
        "account_id": account,
        "run_id": "R1",
    }
    fitting = {name: value for name, value in (base | changes).items() if name in Session.model_fields}
    return Session(**fitting)


def revenue(ctx: Context, run_id: str, net_minor: int) -> None:
    """The posting of the invoice of a run, as billing makes it."""
    amount = Money(net_minor, "EUR")
    lines = [debit(Account.RECEIVABLE.of("EMSP-1"), amount), credit(Account.REVENUE.of("EMSP-1"), amount, note=run_id)]
    put = ledger.entry(ctx, issuer_id=ISSUER, event=Event.INVOICE_ISSUED, subject=run_id, currency="EUR", lines=lines)
    ctx.db.write(put)
