"""VAT in the national currency by stored rates (Art. 230, product.md row 137)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.cii import write_cii
from roamclear.documents.ubl import write_ubl
from roamclear.identity.issuer import Address
from roamclear.journal import service as journal
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput
from roamclear.kernel.money import Money
from roamclear.packages import service as packages
from roamclear.rates import service as rates
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.fonts import with_fonts
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

RUN = month.REQUEST.run_id
DAY = date(2026, 11, 9)


@pytest.fixture
def quick() -> Stage:
    return fresh(month.CLOSES)


def locked(stage: Stage) -> Run:
    """A Polish issuer that bills in euros, with a locked run."""
    with_fonts(stage.ctx)
    vat = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(23))
    month.start(stage, vat=vat, delivery_channel="ACCESS_POINT")
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    return billing.lock(stage.ctx, b.ISSUER, run.run_id)


@pytest.fixture
def polish(monkeypatch: pytest.MonkeyPatch) -> Stage:
    address = Address(lines=("Prosta 1",), postal_code="00-001", city="Warszawa", country="PL")
    plain = b.issuer
    monkeypatch.setattr(
        b, "issuer", lambda **c: plain(**{"address": address, "vat_id": "PL8567346215", "zone": "Europe/Warsaw"} | c)
    )
    stage = fresh()
    locked(stage)
    return stage


def record(stage: Stage, day: date, **found: str) -> None:
    rates.record(stage.ctx, b.actor("FINANCE"), b.ISSUER, day, {c: Decimal(r) for c, r in found.items()})


def kinds(stage: Stage) -> set[str]:
    return {e.kind.value for e in journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER)}


def test_a_missing_rate_holds_the_document_by_name_and_a_stored_one_lets_it_go(polish: Stage) -> None:
    with pytest.raises(Conflict):
        billing.issue(polish.ctx, b.ISSUER, RUN, packages.proof(polish.ctx))
    (told,) = (e for e in journal.listed(polish.ctx, b.actor("FINANCE"), b.ISSUER) if e.kind == "RATE_MISSING")
    assert "no rate of PLN is stored for 2026-11-06 to 2026-11-09" in told.message
    assert billing.documents(polish.ctx, b.actor("FINANCE"), b.ISSUER) == []
    record(polish, date(2026, 11, 5), PLN="4.1000")
    with pytest.raises(Conflict):
        billing.issue(polish.ctx, b.ISSUER, RUN, packages.proof(polish.ctx))
    record(polish, date(2026, 11, 6), PLN="4.2512", CZK="24.310")
    (number,) = billing.issue(polish.ctx, b.ISSUER, RUN, packages.proof(polish.ctx)).numbers
    assert not {"RATE_MISSING", "EINVOICE_INVALID"} & kinds(polish)
    header = billing.document(polish.ctx, b.ISSUER, number)
    model = billing.document_model(polish.ctx, header)
    assert header.tax == Money(191, "EUR")
    assert model.national_tax is not None
    assert (model.national_tax.tax, model.national_tax.rate) == (Money(812, "PLN"), Decimal("4.2512"))
    assert (model.national_tax.rate_date, model.national_tax.source) == (date(2026, 11, 6), "ECB")
    record(polish, date(2026, 11, 9), PLN="4.9000")
    assert billing.document_model(polish.ctx, header) == model
    assert b'currencyID="PLN">8.12<' in write_cii(model)
    assert b'<cbc:TaxAmount currencyID="PLN">8.12<' in write_ubl(model)
    assert b"<cbc:TaxCurrencyCode>PLN<" in write_ubl(model)


def test_rates_are_crossed_by_one_day(quick: Stage) -> None:
    record(quick, date(2026, 11, 6), PLN="4.00", HUF="400.00")
    record(quick, date(2026, 11, 9), PLN="5.00")
    found = rates.convert(quick.ctx, b.ISSUER, Money(100_000, "HUF"), "PLN", DAY)
    assert found is not None
    assert (found.amount, found.rate, found.day) == (Money(1_000, "PLN"), Decimal("0.01"), date(2026, 11, 6))
    back = rates.convert(quick.ctx, b.ISSUER, Money(500, "PLN"), "EUR", DAY)
    assert back is not None
    assert (back.amount, back.day) == (Money(100, "EUR"), DAY)
    assert rates.convert(quick.ctx, b.ISSUER, Money(500, "SEK"), "EUR", DAY) is None
    assert rates.convert(quick.ctx, b.ISSUER, Money(500, "PLN"), "EUR", date(2026, 11, 5)) is None


def test_a_stored_rate_never_changes(quick: Stage) -> None:
    record(quick, date(2026, 11, 6), PLN="4.00")
    record(quick, date(2026, 11, 6), PLN="4.0")
    with pytest.raises(Conflict) as error:
        record(quick, date(2026, 11, 6), PLN="4.01")
    assert error.value.details["stored"] == "4"
    with pytest.raises(InvalidInput):
        record(quick, date(2027, 1, 1), PLN="4.00")
    with pytest.raises(InvalidInput):
        record(quick, date(2026, 11, 6), EUR="1")
    with pytest.raises(Forbidden):
        rates.record(quick.ctx, b.actor("VIEWER"), b.ISSUER, DAY, {"PLN": Decimal(4)})


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    stage.clock.set(month.CLOSES)
    with environment(stage):
        yield Api(stage)


def test_rates_by_api(api: Api) -> None:
    body = {"day": "2026-11-06", "rates": {"PLN": Decimal("4.2512"), "CZK": "24.310"}}
    assert [api.call("POST", "/v1/rates", "FINANCE", body).status for _ in range(2)] == [201, 201]
    changed = body | {"rates": {"PLN": "4.3"}}
    assert api.call("POST", "/v1/rates", "FINANCE", changed).status == 409
    (shown,) = api.call("GET", "/v1/rates", "VIEWER", currency="PLN").body["items"]
    assert (shown["day"], shown["rate"]) == ("2026-11-06", Decimal("4.2512"))
    assert api.call("GET", "/v1/rates", "VIEWER", currency="PLN", until="2026-11-05").body["items"] == []
    for bad in ({"pln": "4"}, {"PLN": "0"}, {"PLN": "4.1234567"}, {}):
        assert api.call("POST", "/v1/rates", "FINANCE", body | {"rates": bad}).status == 422
    assert api.call("GET", "/v1/rates", "VIEWER").status == 422
    assert api.call("GET", "/v1/rates", "VIEWER", currency="PLN", until="x").status == 422
    assert api.call("POST", "/v1/rates", "VIEWER", body).status == 403
