"""As-of everything: a contract's end and payout accounts, in force when and known when (B11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from roamclear.cdrs.end_impact import end_impact
from roamclear.contracts import service as contracts
from roamclear.evses import accounts
from roamclear.evses import service as evses
from roamclear.evses.model import AccountKind, AccountTerms, Unpaid
from roamclear.identity.issuer import Address
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.kernel.time import format_instant
from tests.integration.test_close import open_run, push, start
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.moto_stack import Stage

FINANCE, CHECKER = b.actor("FINANCE"), b.actor("FINANCE_APPROVER")
FIRST, SECOND = "DE89370400440532013000", "DE75512108001245126199"


@pytest.fixture
def memory() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def ends(stage: Stage, at: datetime, valid_to: date | None) -> None:
    """Publish the next version with another end."""
    stage.clock.set(at)
    contracts.publish(
        stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, name="Ronde", valid_from=at.date(), valid_to=valid_to, terms=b.terms()
    )


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 12, tzinfo=UTC)


def test_the_end_of_a_contract_is_what_was_known_of_it(memory: Stage) -> None:
    b.found_issuer(memory.ctx)
    b.found_contract(memory.ctx)
    ends(memory, day(10, 5), date(2026, 12, 1))
    ends(memory, day(10, 20), None)
    ends(memory, day(11, 2), date(2026, 11, 15))

    def known(as_of: datetime, at: datetime) -> tuple[date | None, int | None]:
        found = contracts.known_at(memory.ctx, FINANCE, b.ISSUER, b.CONTRACT, as_of, at)
        return found.valid_to, found.in_force.version if found.in_force else None

    assert known(day(10, 3), day(10, 3)) == (None, 1)
    assert known(day(12, 20), day(10, 6)) == (date(2026, 12, 1), None)
    assert known(day(11, 30), day(10, 6)) == (date(2026, 12, 1), 2)
    assert known(day(12, 20), day(10, 21)) == (None, 3)
    assert known(day(11, 14), day(11, 3)) == (date(2026, 11, 15), 4)
    assert known(day(11, 16), day(11, 3)) == (date(2026, 11, 15), None)
    assert known(day(10, 3), day(11, 3)) == (date(2026, 11, 15), 1)
    with pytest.raises(NotFound):
        known(day(10, 3), datetime(2026, 9, 1, tzinfo=UTC))


def terms(iban: str, **changes: object) -> AccountTerms:
    base = {
        "kind": AccountKind.EXTERNAL, "holder": "Sub GmbH", "iban": iban, "email": "pay@sub.example",
        "address": Address(lines=("Weg 1",), postal_code="10115", city="Berlin", country="DE"),
    }  # fmt: skip
    return AccountTerms.model_validate(base | changes)


def an_account(stage: Stage) -> None:
    """Opened on 1 October, approved on the 2nd, moved to another bank on the 10th, closed on the 20th."""
    ctx = stage.ctx
    stage.clock.set(day(10, 1))
    evses.create_account(ctx, FINANCE, b.ISSUER, "SUB-1", "Sub", terms(FIRST))
    stage.clock.set(day(10, 2))
    evses.approve_account(ctx, CHECKER, b.ISSUER, "SUB-1")
    stage.clock.set(day(10, 9))
    evses.propose_change(ctx, FINANCE, b.ISSUER, "SUB-1", terms(SECOND, language="DE"))
    stage.clock.set(day(10, 10))
    evses.approve_account(ctx, CHECKER, b.ISSUER, "SUB-1")
    stage.clock.set(day(10, 20))
    evses.deactivate_account(ctx, FINANCE, b.ISSUER, "SUB-1", Unpaid.FREEZE)


def test_an_account_is_what_it_was(memory: Stage) -> None:
    b.found_issuer(memory.ctx)
    an_account(memory)

    def at(as_of: datetime, known: datetime | None = None) -> tuple[str | None, bool, bool, int]:
        found = accounts.account_at(memory.ctx, FINANCE, b.ISSUER, "SUB-1", as_of, known or as_of)
        return found.in_force.terms.iban, found.account.active, found.payable, len(found.versions)

    assert at(day(10, 1)) == (FIRST, True, False, 1)
    assert at(day(10, 3)) == (FIRST, True, False, 1)  # approved, and cooling off
    assert at(day(10, 6)) == (FIRST, True, True, 1)
    assert at(day(10, 11)) == (SECOND, True, False, 2)
    assert at(day(10, 14)) == (SECOND, True, True, 2)
    assert at(day(10, 21)) == (SECOND, False, False, 2)
    # What was known on 3 October of 6 October: the bank details would have cooled off.
    assert at(day(10, 6), day(10, 3)) == (FIRST, True, True, 1)
    assert at(day(10, 30), day(10, 3)) == (FIRST, True, True, 1)
    assert at(day(10, 6), day(10, 21)) == (FIRST, True, True, 2)
    with pytest.raises(NotFound):
        at(datetime(2026, 9, 1, tzinfo=UTC))


def test_an_end_takes_nothing_back_and_says_so_before(memory: Stage) -> None:
    start(memory)
    push(memory, b.cdr(1))
    push(memory, b.cdr(2, start=day(10, 20)))
    push(memory, b.cdr(3, start=day(10, 21), evse="DE*VWK*E999"))
    open_run(memory)
    found = end_impact(memory.ctx, FINANCE, b.ISSUER, b.CONTRACT, date(2026, 10, 20))
    assert [(s.billing, s.sessions, s.net.amount_minor) for s in found.keeps] == [("IN_WINDOW", 1, 830)]
    assert [(s.billing, s.sessions) for s in found.loses] == [("ON_HOLD", 1)]
    later = end_impact(memory.ctx, FINANCE, b.ISSUER, b.CONTRACT, date(2026, 11, 20))
    assert (later.keeps, later.loses, later.present) == ((), (), None)
    with pytest.raises(InvalidInput):
        end_impact(memory.ctx, FINANCE, b.ISSUER, b.CONTRACT, date(2026, 1, 1))
    with pytest.raises(NotFound):
        end_impact(memory.ctx, FINANCE, b.ISSUER, "C-NONE", date(2026, 10, 20))


def test_by_api(stage: Stage) -> None:
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx)
    an_account(stage)
    with environment(stage):
        api = Api(stage)
        path = "/v1/payout-accounts/SUB-1"
        told = api.call("GET", path, "FINANCE", as_of=format_instant(day(10, 6))).body
        assert (told["in_force"]["terms"]["iban"][-4:], told["payable"]) == ("3000", True)
        assert FIRST not in str(told)
        told = api.call("GET", path, "FINANCE", as_of=format_instant(day(10, 6)), known_at=format_instant(day(10, 3)))
        assert (told.body["known_at_utc"][:10], len(told.body["versions"])) == ("2026-10-03", 1)
        assert api.call("GET", path, "FINANCE", known_at="October").body["field"] == "known_at"
        contract = f"/v1/contracts/{b.CONTRACT}"
        told = api.call("GET", contract, "EMSP_USER", contract_id=b.CONTRACT, as_of=format_instant(day(10, 6)))
        assert (told.status, told.body["in_force"]["version"]) == (200, 1)
        assert (
            api.call("GET", f"{contract}/end-impact", "FINANCE", valid_to="2026-12-01").body["valid_to"] == "2026-12-01"
        )
        assert api.call("GET", f"{contract}/end-impact", "FINANCE").body["field"] == "valid_to"
        assert api.call("GET", f"{contract}/end-impact", "VIEWER", valid_to="2026-12-01").status == 403
