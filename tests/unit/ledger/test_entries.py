"""An entry balances or is not one, and stands once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roamclear.kernel.errors import ConditionFailed, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.ledger import proof
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, JournalEntry, Line, credit, debit
from tests.support import memory_stage

AMOUNTS = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6)


def entry(lines: list[Line], **changes: Any) -> dict[str, Any]:
    return {
        "issuer_id": "voltwerk", "event": Event.INVOICE_ISSUED, "subject": "VW-1",
        "at_utc": "2026-11-09T00:00:00Z", "currency": "EUR", "lines": tuple(lines),
    } | changes  # fmt: skip


@given(AMOUNTS, st.integers(-5, 5))
def test_only_what_balances_is_an_entry(amounts: list[int], off: int) -> None:
    lines = [debit(f"a:{n}", Money(amount, "EUR")) for n, amount in enumerate(amounts)]
    lines.append(credit("z:1", Money(sum(amounts) + off, "EUR")))
    if off == 0:
        made = JournalEntry.model_validate(entry(lines))
        assert all(e.holds for e in proof.balanced([made]))
        assert sum(m.amount_minor for m in ledger.balances([made]).values()) == 0
    else:
        with pytest.raises(ValidationError):
            JournalEntry.model_validate(entry(lines))


def test_one_line_or_two_currencies_are_no_entry() -> None:
    with pytest.raises(ValidationError):
        JournalEntry.model_validate(entry([debit("a:1", Money(0, "EUR"))]))
    with pytest.raises((ValidationError, InvariantBroken)):
        JournalEntry.model_validate(entry([debit("a:1", Money(1, "EUR")), credit("b:1", Money(1, "SEK"))]))


def test_a_business_event_posts_once_and_its_mirror_undoes_it() -> None:
    with memory_stage.stage() as stage:
        ctx = stage.ctx

        def put(cents: int) -> Any:
            amount = Money(cents, "EUR")
            lines = [debit(Account.RECEIVABLE.of("C"), amount), credit(Account.REVENUE.of("C"), amount)]
            return ledger.entry(
                ctx, issuer_id="voltwerk", event=Event.INVOICE_ISSUED, subject="VW-1", currency="EUR", lines=lines
            )

        ctx.db.write(put(500))
        for cents in (500, 501):
            with pytest.raises(ConditionFailed):
                ctx.db.write(put(cents))
        undone = ledger.mirror(
            ctx, "voltwerk", Event.INVOICE_ISSUED, "VW-1", as_event=Event.CORRECTION, as_subject="VW-1"
        )
        ctx.db.write(undone)
        entries = list(ledger.entries(ctx, "voltwerk", ctx.now()))
        assert len(entries) == 2
        assert not any(ledger.balances(entries).values())
        assert entries[0].mirrors == "INVOICE_ISSUED#VW-1" or entries[1].mirrors == "INVOICE_ISSUED#VW-1"
