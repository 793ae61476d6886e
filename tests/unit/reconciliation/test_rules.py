"""The matching cascade, line by line of rules.md 9."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from roamclear.kernel.ids import rf_reference
from roamclear.kernel.money import Money
from roamclear.reconciliation.model import Decision, EntryKind, Level, OpenItem, Payment, PaymentState, Rule
from roamclear.reconciliation.rules import OpenItems, decide, subsets

A, B = "C-A", "C-B"


def item(counter: int, minor: int, partner: str = A, **changes: Any) -> OpenItem:
    """An open document ``VW-2026-0000nn``."""
    number = f"VW-2026-{counter:06d}"
    base = OpenItem(
        number=number,
        contract_id=partner,
        partner=partner,
        open_amount=Money(minor, "EUR"),
        due_on=date(2026, 12, 9),
        reference=rf_reference.make(number),
    )
    return base.model_copy(update=changes)


ITEMS = [item(1, 10_000), item(2, 5_000), item(3, -2_000), item(4, 7_000, B), item(5, 7_000), item(77, 333, B)]
RF = {i.number: i.reference or "" for i in ITEMS}


def payment(minor: int, text: str = "", *references: str, **changes: Any) -> Payment:
    """A credit."""
    amount = Money(minor, "EUR")
    base = Payment(
        issuer_id="i",
        payment_id="p-0",
        entry_id="p",
        kind=EntryKind.CREDIT,
        index=0,
        account="a",
        amount=amount,
        unapplied=amount,
        booked_to="suspense:a",
        holding="suspense:a",
        state=PaymentState.OPEN,
        booked_on=date(2026, 11, 3),
        value_on=date(2026, 11, 3),
        references=references,
        text=text,
    )
    return base.model_copy(update=changes)


def decided(paid: Payment, *learned: str, items: list[OpenItem] = ITEMS) -> Decision:
    """What the cascade says."""
    return decide(paid, OpenItems(items), frozenset(learned))


def shares(decision: Decision) -> dict[str, int]:
    """Shares in minor units."""
    return {share.number[-2:]: share.amount.amount_minor for share in decision.shares}


@pytest.mark.parametrize(
    ("paid", "rule", "expected", "reasons"),
    [
        (payment(10_000, "", RF["VW-2026-000001"]), Rule.CREDITOR_REFERENCE, {"01": 10_000}, ()),
        (payment(10_000, "vw 2O26 0000 0l"), Rule.COMPLETE_NUMBERS, {"01": 10_000}, ()),
        (payment(10_000, "INVOICEVW-2026-000001"), Rule.COMPLETE_NUMBERS, {"01": 10_000}, ()),
        (payment(10_000, "", document_numbers=("VW2026000001",)), Rule.COMPLETE_NUMBERS, {"01": 10_000}, ()),
        (
            payment(13_000, "VW-2026-000001 VW-2026-000002 VW-2026-000003"),
            Rule.COMPLETE_NUMBERS,
            {"01": 10_000, "02": 5_000, "03": -2_000},
            (),
        ),
        (
            payment(15_000, "VW-2026-000002", RF["VW-2026-000001"]),
            Rule.COMPLETE_NUMBERS,
            {"01": 10_000, "02": 5_000},
            (),
        ),
        (payment(9_000, "", RF["VW-2026-000001"]), Rule.PARTIAL_REFERENCE, {"01": 9_000}, ("SHORT_PAY",)),
        (payment(11_000, "", RF["VW-2026-000001"]), Rule.PARTIAL_REFERENCE, {"01": 10_000}, ("OVERPAY",)),
        (payment(4_000, "VW 2026 000 002 less"), Rule.PARTIAL_NUMBER, {"02": 4_000}, ("SHORT_PAY",)),
        (
            payment(4_500, "VW-2026-000002", charges=Money(500, "EUR")),
            Rule.PARTIAL_NUMBER,
            {"02": 4_500},
            ("BANK_FEE",),
        ),
    ],
)
def test_what_matches_by_itself(paid: Payment, rule: Rule, expected: dict[str, int], reasons: tuple[str, ...]) -> None:
    decision = decided(paid)
    assert (decision.level, decision.rule, shares(decision), decision.reasons) == (Level.AUTO, rule, expected, reasons)
    assert decision.score > 0
    assert decision.fields


def test_a_cut_number_needs_payer_and_amount() -> None:
    paid = payment(333, "ref 000077")
    assert decided(paid, B).level is Level.AUTO
    assert decided(paid, B).rule is Rule.CUT_NUMBER
    assert decided(paid).level is Level.SUGGEST
    assert decided(paid, A).level is Level.SUGGEST
    assert decided(paid, A, B).level is Level.SUGGEST
    assert decided(payment(334, "ref 000077"), B).level is Level.NONE
    assert decided(payment(333, "ref 0077"), B).rule is Rule.PAYER_AMOUNT


@pytest.mark.parametrize(
    ("paid", "learned", "rule", "reasons"),
    [
        (payment(5_000, "thanks"), (A,), Rule.PAYER_AMOUNT, ()),
        (payment(5_000, "thanks"), (), Rule.AMOUNT_ONLY, ()),
        (payment(7_000, "thanks"), (), Rule.AMOUNT_ONLY, ("AMBIGUOUS_MATCH",)),
        (payment(7_000, "thanks"), (A, B), Rule.PAYER_AMOUNT, ("AMBIGUOUS_MATCH",)),
        (payment(15_000, "thanks"), (A,), Rule.PAYER_SUBSET, ("AMBIGUOUS_MATCH",)),
        (payment(17_000, "thanks"), (A,), Rule.PAYER_SUBSET, ()),
        (payment(14_000, "VW-2026-000001 VW-2026-000002"), (A,), Rule.NUMBERS_OTHER_SUM, ()),
        (payment(17_000, "VW-2026-000001 VW-2026-000004"), (), Rule.NUMBERS_OTHER_SUM, ("AMBIGUOUS_MATCH",)),
        (payment(1_000, "VW-2026-000003"), (A,), Rule.PARTIAL_NUMBER, ()),
    ],
)
def test_what_is_only_suggested(paid: Payment, learned: tuple[str, ...], rule: Rule, reasons: tuple[str, ...]) -> None:
    decision = decided(paid, *learned)
    assert (decision.level, decision.rule, decision.reasons) == (Level.SUGGEST, rule, reasons)
    assert decision.candidates


def test_nothing_is_nothing() -> None:
    decision = decided(payment(1, "VW-2026 000009"))
    assert (decision.level, decision.shares, decision.candidates) == (Level.NONE, (), ())


def test_another_currency_is_told() -> None:
    swiss = item(9, 500, open_amount=Money(500, "CHF"))
    decision = decided(payment(500, "VW-2026-000009"), items=[swiss])
    assert (decision.level, decision.reasons) == (Level.SUGGEST, ("WRONG_CURRENCY",))


def test_a_reference_beats_the_learned_payer() -> None:
    decision = decided(payment(7_000, "", RF["VW-2026-000004"]), A)
    assert (decision.level, shares(decision), decision.partner) == (Level.AUTO, {"04": 7_000}, B)


def test_numbers_that_fold_alike_are_never_chosen() -> None:
    twins = [item(1, 500, number="AB-1O01", reference=None), item(2, 500, number="AB-1001", reference=None)]
    for minor in (500, 1_000):
        assert decided(payment(minor, "ab 1001"), items=twins).level is Level.SUGGEST


def test_a_year_never_matches() -> None:
    assert decided(payment(10_000, "2026"), A).rule is Rule.PAYER_AMOUNT
    assert decided(payment(1, "VW-2026"), A).level is Level.NONE


def test_subsets_are_bounded_and_unique() -> None:
    many = [item(n, n) for n in range(1, 22)]
    assert subsets(many, Money(30, "EUR")) == []
    powers = [item(n, 2**n) for n in range(1, 11)]
    (found,) = subsets(powers, Money(2 + 8 + 32, "EUR"))
    assert sorted(i.open_amount.amount_minor for i in found) == [2, 8, 32]
    assert subsets(powers, Money(sum(2**n for n in range(1, 10)), "EUR")) == []
    assert len(subsets([item(1, 1), item(2, 2), item(3, 3), item(4, 4)], Money(5, "EUR"))) == 2


def test_the_order_of_the_items_makes_no_difference() -> None:
    paid = payment(13_000, "VW-2026-000001 VW-2026-000002 VW-2026-000003")
    assert decided(paid) == decided(paid, items=ITEMS[::-1])
