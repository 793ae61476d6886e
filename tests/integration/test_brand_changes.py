"""Colours, footer, contact and bank details of an issuer: two persons, 72 hours, notice (rules.md 10; row 57)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import openpyxl
import pytest

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.identity import brand_changes
from roamclear.identity import service as identity
from roamclear.identity.issuer import BrandChange, BrandValues, Issuer
from roamclear.identity.model import Actor, Grant, Role
from roamclear.identity.rules import COOLING
from roamclear.journal import service as journal
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from roamclear.packages import branding
from roamclear.packages import service as packages
from roamclear.reconciliation import service as reconciliation
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.fonts import with_fonts
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

OTHER_IBAN = "DE75512108001245126199"
ADMIN, CHECKER = b.actor("ADMIN"), b.actor("FINANCE_APPROVER")


class _Down:
    """A mail service that takes nothing."""

    def send(self, raw: bytes, *, sender: str, recipients: Sequence[str]) -> str:
        raise Unavailable("the mail service is down")


@pytest.fixture
def founded() -> Stage:
    stage = fresh()
    b.found_issuer(stage.ctx)
    return stage


def proposed(stage: Stage, reason: str = "new house style", **values: Any) -> BrandChange:
    return branding.propose_change(stage.ctx, ADMIN, b.ISSUER, BrandValues.model_validate(values), reason)


def approved(stage: Stage, **values: Any) -> Issuer:
    made = proposed(stage, **values)
    stage.clock.advance(COOLING)
    return branding.approve_change(stage.ctx, CHECKER, b.ISSUER, made.change_id)


def test_nobody_changes_the_brand_or_the_bank_alone(founded: Stage) -> None:
    known = b.issuer()
    for changed in (
        known.model_copy(update={"iban": OTHER_IBAN}),
        known.model_copy(update={"bic": "DEUTDEFFXXX"}),
        *(
            known.model_copy(update={"brand": known.brand.model_copy(update=update)})
            for update in ({"primary": "#112233"}, {"footer": ("Pay to another account",)}, {"contact_email": "x@y.z"})
        ),
    ):
        with pytest.raises(Conflict, match="two persons"):
            identity.save_issuer(founded.ctx, ADMIN, changed)
    assert identity.save_issuer(founded.ctx, ADMIN, known.model_copy(update={"language": "DE"})).language == "DE"


def test_a_second_person_approves_72_hours_after_the_old_contact_was_told(founded: Stage) -> None:
    made = proposed(founded, iban=OTHER_IBAN, contact_email="new@voltwerk.example", primary="#0B3D5C")
    assert (
        proposed(founded, iban=OTHER_IBAN, contact_email="new@voltwerk.example") == made
    )  # equal values are no change
    (mail,) = founded.mail.sent
    assert mail.recipients == ("finance@voltwerk.example",)
    assert b"contact, bank details" in mail.raw
    assert OTHER_IBAN.encode() not in mail.raw
    with pytest.raises(Conflict, match="72 hours"):
        branding.approve_change(founded.ctx, CHECKER, b.ISSUER, made.change_id)
    founded.clock.advance(COOLING)
    with pytest.raises(Forbidden):
        branding.approve_change(founded.ctx, ADMIN, b.ISSUER, made.change_id)
    both = tuple(Grant(issuer_id=b.ISSUER, role=Role(r)) for r in ("ADMIN", "FINANCE_APPROVER"))
    with pytest.raises(Forbidden):
        branding.approve_change(founded.ctx, Actor(actor_id="admin", grants=both), b.ISSUER, made.change_id)
    for _ in range(2):
        issuer = branding.approve_change(founded.ctx, CHECKER, b.ISSUER, made.change_id)
    assert (issuer.iban, issuer.brand.contact_email) == (OTHER_IBAN, "new@voltwerk.example")
    actions = [e.action for e in audit.history(founded.ctx, b.ISSUER, "ISSUER", b.ISSUER)]
    assert actions == ["CREATED", "BRAND_CHANGE_PROPOSED", "BRAND_CHANGE_APPROVED"]
    # Payments to the old account are booked as before.
    (account,) = reconciliation.bank_accounts(founded.ctx, b.actor("FINANCE"), b.ISSUER)
    assert account.account == b.issuer().iban
    told = [row for row in journal.listed(founded.ctx, b.actor("FINANCE"), b.ISSUER) if row.kind == "IBAN_CHANGED"]
    assert [row.subject for row in told] == [f"ISSUER#{made.change_id}"]


def test_the_72_hours_begin_with_the_notice(founded: Stage) -> None:
    down = replace(founded.ctx, mailer=_Down())
    made = branding.propose_change(down, ADMIN, b.ISSUER, BrandValues(footer=("HRB 1",)), "new house style")
    assert made.told_at_utc is None
    founded.clock.advance(COOLING)
    with pytest.raises(Conflict, match="not told"):
        branding.approve_change(founded.ctx, CHECKER, b.ISSUER, made.change_id)
    again = proposed(founded, footer=("HRB 1",))
    assert (again.change_id, again.told_at_utc) == (made.change_id, founded.clock.now())
    with pytest.raises(Conflict, match="72 hours"):
        branding.approve_change(founded.ctx, CHECKER, b.ISSUER, made.change_id)
    founded.clock.advance(COOLING)
    assert branding.approve_change(founded.ctx, CHECKER, b.ISSUER, made.change_id).brand.footer == ("HRB 1",)


def test_what_was_changed_meanwhile_is_proposed_again(founded: Stage) -> None:
    first, second = proposed(founded, primary="#111111"), proposed(founded, primary="#222222")
    beside = proposed(founded, accent="#333333")
    founded.clock.advance(COOLING)
    branding.approve_change(founded.ctx, CHECKER, b.ISSUER, first.change_id)
    with pytest.raises(Conflict, match="changed meanwhile"):
        branding.approve_change(founded.ctx, CHECKER, b.ISSUER, second.change_id)
    brand = branding.approve_change(founded.ctx, CHECKER, b.ISSUER, beside.change_id).brand
    assert (brand.primary, brand.accent) == ("#111111", "#333333")
    assert brand_changes.withdraw(founded.ctx, CHECKER, b.ISSUER, second.change_id).state == "WITHDRAWN"
    assert brand_changes.withdraw(founded.ctx, CHECKER, b.ISSUER, first.change_id).state == "APPROVED"
    with pytest.raises(Conflict, match="not open"):
        branding.approve_change(founded.ctx, CHECKER, b.ISSUER, second.change_id)
    states = {c.change_id: c.state for c in brand_changes.changes(founded.ctx, ADMIN, b.ISSUER)}
    assert sorted(states.values()) == ["APPROVED", "APPROVED", "WITHDRAWN"]


def test_a_bic_is_taken_away_by_an_empty_text(founded: Stage) -> None:
    assert approved(founded, bic="").bic is None
    with pytest.raises(InvalidInput, match="differs"):
        proposed(founded, bic="")


@pytest.mark.parametrize(
    ("values", "reason"), [({}, "because"), ({"name": "Voltwerk"}, "because"), ({"name": "Other"}, " ")]
)
def test_what_changes_nothing_or_says_no_reason_is_refused(founded: Stage, values: Any, reason: str) -> None:
    with pytest.raises(InvalidInput):
        proposed(founded, reason, **values)


def test_strangers_and_others(founded: Stage) -> None:
    with pytest.raises(Forbidden):
        branding.propose_change(founded.ctx, b.actor("FINANCE"), b.ISSUER, BrandValues(name="X"), "because")
    stranger = Actor(actor_id="x", grants=(Grant(issuer_id="other", role=Role.ADMIN),))
    with pytest.raises(NotFound):
        branding.propose_change(founded.ctx, stranger, b.ISSUER, BrandValues(name="X"), "because")
    with pytest.raises(NotFound):
        branding.approve_change(founded.ctx, CHECKER, b.ISSUER, "BC-0")


def test_documents_keep_what_was_in_force_at_their_issue() -> None:
    stage = fresh()
    with_fonts(stage.ctx)
    month.start(stage)
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    made = proposed(stage, iban=OTHER_IBAN, bic="", footer=("HRB 2",), primary="#AA0000", contact_name="Desk")
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, packages.proof(stage.ctx))
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    keys = packages.render_documents(stage.ctx, b.ISSUER, run.run_id)
    keys += packages.render_sessions(stage.ctx, b.ISSUER, run.run_id)
    drawn = [stage.ctx.objects.get("documents", key) for key in keys]
    branding.approve_change(stage.ctx, CHECKER, b.ISSUER, made.change_id)
    model = billing.document_model(stage.ctx, header)
    assert (model.payment.iban, model.payment.bic) == (b.issuer().iban, "COBADEFFXXX")
    assert (model.branding.primary, model.seller.contact_name) == ("#0B3D5C", "Finance")
    packages.render_documents(stage.ctx, b.ISSUER, run.run_id)
    packages.render_sessions(stage.ctx, b.ISSUER, run.run_id)
    assert [stage.ctx.objects.get("documents", key) for key in keys] == drawn
    (sheet,) = [body for key, body in zip(keys, drawn, strict=True) if key.endswith(".xlsx")]
    assert "AA0000" not in str(openpyxl.load_workbook(io.BytesIO(sheet or b"")).worksheets[0]["A1"].font.color)


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    b.found_issuer(stage.ctx)
    with environment(stage):
        yield Api(stage)


def test_a_change_by_api(api: Api) -> None:
    refused = api.call("PUT", "/v1/issuer", "ADMIN", b.issuer(iban=OTHER_IBAN).dump(), headers={"if-match": "*"})
    assert (refused.status, refused.body["rule"]) == (409, "MAKER_NOT_CHECKER")
    wrong = {"values": {"iban": "DE00"}, "reason": "new bank"}
    assert api.call("POST", "/v1/brand-changes", "ADMIN", wrong).body["field"] == "values.iban"
    made = api.call("POST", "/v1/brand-changes", "ADMIN", {"values": {"iban": OTHER_IBAN}, "reason": "new bank"})
    assert (made.status, made.body["replaces"]) == (201, {"iban": b.issuer().iban})
    path = f"/v1/brand-changes/{made.body['change_id']}"
    assert api.call("GET", path, "FINANCE_APPROVER").body["approvable_from_utc"] == "2026-10-04T00:00:00.000000Z"
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {}).status == 409
    assert api.call("POST", f"{path}/approve", "ADMIN", {}).status == 403
    api.stage.clock.advance(COOLING)
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {}).body["iban"] == OTHER_IBAN
    assert api.call("POST", f"{path}/withdraw", "ADMIN", {}).body["state"] == "APPROVED"
    assert [c["state"] for c in api.call("GET", "/v1/brand-changes", "ADMIN").body["items"]] == ["APPROVED"]
    assert api.call("GET", "/v1/brand-changes", "EMSP_USER", contract_id=b.CONTRACT).status == 403
