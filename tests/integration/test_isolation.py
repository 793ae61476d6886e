"""Two issuers, three eMSPs: what belongs to one is not there for another, by every use case that reads or answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.lists import service as lists
from roamclear.billing.model import Run, RunRequest
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.contracts import service as contracts
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Dispute, Query, Reason
from roamclear.documents.checks import missing
from roamclear.evses import service as evses
from roamclear.identity.model import Actor, Grant, Role
from roamclear.journal import service as journal
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Forbidden, NotFound
from roamclear.kernel.pages import Asked
from roamclear.payouts import service as payouts
from roamclear.reconciliation import service as cash
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

EMSPS = {"C-ONE": "NLONE", "C-TWO": "FRTWO", "C-TRI": "BETRI"}
ISSUERS = ("voltwerk", "stromnetz")
ALL = Asked(100)


@dataclass
class Owned:
    """What one contract of one issuer has."""

    issuer_id: str
    contract_id: str
    cdr_ref: str
    run: Run
    number: str
    dispute: Dispute


def emsp(issuer_id: str, contract_id: str) -> Actor:
    grant = Grant(issuer_id=issuer_id, role=Role.EMSP_USER, contract_id=contract_id)
    return Actor(actor_id=f"{issuer_id}-{contract_id}", grants=(grant,))


def staff(issuer_id: str, role: Role = Role.FINANCE) -> Actor:
    return Actor(actor_id=f"{issuer_id}-{role.value}", grants=(Grant(issuer_id=issuer_id, role=role),))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A fresh stage in memory."""
    with memory_stage.stage() as made:
        yield made


@pytest.fixture
def world(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Owned]:
    """A month of two issuers with the same contract ids, parties and EVSEs, closed and issued."""
    found: list[Owned] = []
    refs: dict[tuple[str, str], list[str]] = {}
    for issuer_id in ISSUERS:
        monkeypatch.setattr(b, "ISSUER", issuer_id)
        b.found_issuer(stage.ctx, number_prefix=issuer_id[:2].upper())
        b.found_own_account(stage.ctx)
        for n, (contract_id, party) in enumerate(EMSPS.items()):
            b.found_contract(stage.ctx, contract_id, party_ids=(party,))
            for number in (2 * n + 1, 2 * n + 2):
                body = b.body_of(b.cdr(number, emsp=party, kwh=str(10 + number), total=Decimal(5)),
                                 received=datetime(2026, 10, 8, tzinfo=UTC))  # fmt: skip
                stage.clock.set(body.received_at_utc)
                cdrs.receive(stage.ctx, body)
                cdrs.process(stage.ctx, issuer_id, body.cdr_ref)
                refs.setdefault((issuer_id, contract_id), []).append(body.cdr_ref)
        stage.clock.set(datetime(2026, 10, 1, tzinfo=UTC))
    for (issuer_id, contract_id), (first, second) in refs.items():
        stage.clock.set(datetime(2026, 11, 1, 23, 0, tzinfo=UTC))
        run = billing.prepare(stage.ctx, RunRequest(issuer_id=issuer_id, contract_id=contract_id, period="2026-10"))
        run = billing.open_window(stage.ctx, issuer_id, run.run_id)
        claim = Claim(cdr_ref=first, reason=Reason.FRAUD)
        filed = disputes.file(stage.ctx, emsp(issuer_id, contract_id), issuer_id, claim)
        assert run.closes_at_utc is not None
        stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
        billing.lock(stage.ctx, issuer_id, run.run_id)
        run = billing.issue(stage.ctx, issuer_id, run.run_id, missing)
        found.append(Owned(issuer_id, contract_id, second, run, run.numbers[0], filed))
    return found


Read = Callable[[Context, Actor, Owned], Any]
#: Use cases that name an object: another's is 404, told in the same words as one that does not exist.
OBJECTS: dict[str, Read] = {
    "trace": lambda ctx, who, o: cdrs.trace(ctx, who, o.issuer_id, o.cdr_ref),
    "contract": lambda ctx, who, o: contracts.contract(ctx, who, o.issuer_id, o.contract_id),
    "run": lambda ctx, who, o: billing.run_for(ctx, who, o.issuer_id, o.run.run_id),
    "document": lambda ctx, who, o: billing.document_for(ctx, who, o.issuer_id, o.number),
    "dispute": lambda ctx, who, o: disputes.dispute(ctx, who, o.issuer_id, o.dispute.dispute_id),
    "withdraw": lambda ctx, who, o: disputes.withdraw(ctx, who, o.issuer_id, o.dispute.dispute_id),
    "file": lambda ctx, who, o: disputes.file(ctx, who, o.issuer_id, Claim(cdr_ref=o.cdr_ref, reason=Reason.FRAUD)),
    "unbilled": lambda ctx, who, o: cdrs.unbilled_page(ctx, who, o.issuer_id, Billing.VERIFIED, o.contract_id, ALL),
}
#: Lists that hold only what is the actor's.
LISTS: dict[str, Callable[[Context, Actor, str], list[Any]]] = {
    "contracts": contracts.contracts,
    "runs": lambda ctx, who, issuer_id: lists.runs(ctx, who, issuer_id, ALL).items,
    "documents": lambda ctx, who, issuer_id: lists.documents(ctx, who, issuer_id, ALL).items,
    "disputes": lambda ctx, who, issuer_id: disputes.queue(ctx, who, issuer_id, Query())[0],
}
#: What no eMSP sees at all.
STAFF: dict[str, Callable[[Context, Actor, str], Any]] = {
    "exceptions": lambda ctx, who, issuer_id: journal.page(ctx, who, issuer_id, "OPEN", ALL),
    "accounts": evses.accounts,
    "bank accounts": cash.bank_accounts,
    "statements": lambda ctx, who, issuer_id: cash.statements_page(ctx, who, issuer_id, ALL),
    "open payments": lambda ctx, who, issuer_id: cash.open_payments_page(ctx, who, issuer_id, ALL),
    "payouts": lambda ctx, who, issuer_id: payouts.payouts_page(ctx, who, issuer_id, ALL),
    "batches": lambda ctx, who, issuer_id: payouts.batches_page(ctx, who, issuer_id, ALL),
}


def test_what_is_anothers_is_not_there(stage: Stage, world: list[Owned]) -> None:
    for mine in world:
        who = emsp(mine.issuer_id, mine.contract_id)
        for theirs in world:
            if theirs is mine:
                continue
            for name, read in OBJECTS.items():
                with pytest.raises(NotFound):
                    read(stage.ctx, who, theirs)
                assert name
        for name, read in OBJECTS.items():
            if name not in ("withdraw", "file"):
                assert read(stage.ctx, who, mine) is not None


def test_a_404_does_not_say_whether_the_object_exists(stage: Stage, world: list[Owned]) -> None:
    mine, theirs = world[0], world[1]
    who = emsp(mine.issuer_id, mine.contract_id)
    nothing = Owned(
        theirs.issuer_id, "C-NONE", "DEVWK*NONE", theirs.run.model_copy(update={"run_id": "C-NONE.2026-10.CLOSE"}),
        "VO-2026-999999", theirs.dispute.model_copy(update={"dispute_id": "D-NONE"}),
    )  # fmt: skip
    for name, read in OBJECTS.items():
        told = []
        for thing in (theirs, nothing):
            with pytest.raises(NotFound) as refused:
                read(stage.ctx, who, thing)
            told.append((refused.value.message, refused.value.details))
        assert told[0] == told[1], name
    assert billing.find_document(stage.ctx, who, mine.issuer_id, mine.number) is not None
    assert billing.find_document(stage.ctx, who, mine.issuer_id, theirs.number) is None
    assert billing.find_document(stage.ctx, who, mine.issuer_id, "VO-2026-999999") is None


def test_lists_hold_only_what_is_ones_own(stage: Stage, world: list[Owned]) -> None:
    for mine in world:
        for who, expected in ((emsp(mine.issuer_id, mine.contract_id), 1), (staff(mine.issuer_id), len(EMSPS))):
            for name, listed in LISTS.items():
                rows = listed(stage.ctx, who, mine.issuer_id)
                assert len(rows) == expected, name
                assert {row.issuer_id for row in rows} == {mine.issuer_id}
                if expected == 1:
                    assert {row.contract_id for row in rows} == {mine.contract_id}


def test_what_is_for_staff_is_for_staff_of_that_issuer(stage: Stage, world: list[Owned]) -> None:
    mine = world[0]
    for read in STAFF.values():
        with pytest.raises(Forbidden):
            read(stage.ctx, emsp(mine.issuer_id, mine.contract_id), mine.issuer_id)
        with pytest.raises(NotFound):
            read(stage.ctx, staff("stromnetz"), "voltwerk")
        read(stage.ctx, staff("voltwerk"), "voltwerk")


def test_staff_of_one_issuer_reads_nothing_of_the_other(stage: Stage, world: list[Owned]) -> None:
    for theirs in (o for o in world if o.issuer_id == "stromnetz"):
        for read in OBJECTS.values():
            with pytest.raises((NotFound, Forbidden)):
                read(stage.ctx, staff("voltwerk"), theirs)
        for read_list in (*LISTS.values(), *STAFF.values()):
            with pytest.raises(NotFound):
                read_list(stage.ctx, staff("voltwerk"), "stromnetz")


def test_two_issuers_take_their_own_numbers(world: list[Owned]) -> None:
    for issuer_id in ISSUERS:
        numbers = sorted(o.number for o in world if o.issuer_id == issuer_id)
        assert numbers == [f"{issuer_id[:2].upper()}-2026-{n:06d}" for n in (1, 2, 3)]
