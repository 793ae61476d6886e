"""A generated corpus of payments with known truth: nothing is ever matched by itself to a document it does not pay."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roamclear.bank import service as bank
from roamclear.bank.model import Sign
from roamclear.kernel.ids import rf_reference
from roamclear.kernel.money import Money
from roamclear.reconciliation import entries
from roamclear.reconciliation.model import EntryKind, Level, OpenItem, Payment
from roamclear.reconciliation.rules import OpenItems, decide
from tests.support.bank_files import Ntry, Stmt, Tx, camt

PARTNERS = [f"C-{n}" for n in range(6)]
#: Few different amounts on purpose: amounts alone must never decide.
AMOUNTS = [1_000, 2_000, 2_500, 5_000, 7_500]
_NOISE = [
    "Rechnung",
    "invoice no",
    "thanks",
    "vom 03.11.2026",
    "KdNr 4711",
    "2026",
    "order 12345",
    "VW",
    "/INV/",
]


def _items(rng: random.Random) -> list[OpenItem]:
    items = []
    for counter in range(1, 60):
        number = f"VW{rng.choice(['', '', 'C'])}-{rng.choice([2025, 2026])}-{counter * rng.choice([1, 7, 11]):06d}"
        partner = rng.choice(PARTNERS)
        items.append(
            OpenItem(
                number=number,
                contract_id=partner,
                partner=partner,
                open_amount=Money(rng.choice(AMOUNTS), "EUR"),
                due_on=date(2026, 11, 1) + timedelta(days=counter),
                reference=rf_reference.make(number),
            )
        )
    return list({item.number: item for item in items}.values())


def _dress(rng: random.Random, number: str) -> str:
    """A complete number as a payer may write it."""
    text = "".join(rng.choice([c, c, c, c.lower()]) for c in number)
    text = text.replace("-", rng.choice(["-", " ", "", "/", ".", " - "]))
    if rng.random() < 0.3:
        text = text.replace("0", rng.choice(["0", "O", "o"]))
    if rng.random() < 0.3:
        cut = rng.randrange(len(text))
        text = text[:cut] + " " + text[cut:]
    return text


def _spoil(rng: random.Random, number: str) -> str:
    """A number that is not the document's: longer, shorter, or with a digit changed."""
    kind = rng.randrange(4)
    if kind == 0:
        return number + rng.choice("123456789")
    if kind == 1:
        return number[:-1]
    if kind == 2:
        return f"{number[:-2]}99{rng.choice('789')}"
    return rng.choice("123456789") + number[number.index("-") + 1 :]


def _credit(text: list[str], reference: str | None, amount: Money, payer: str) -> Payment:
    """Through a real file, so that reader and matching are judged together."""
    value = f"{amount.to_decimal():f}"
    tx = Tx(value, text=text, reference=reference, payer=payer)
    (statement,) = bank.read_camt(camt(Stmt([Ntry(value, ref="B", txs=[tx])]))).statements
    (entry,) = statement.entries
    assert entry.sign is Sign.CREDIT
    (made,) = entries.payments("i", entry, EntryKind.CREDIT, date(2026, 11, 3), date(2026, 11, 3))
    return made


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_no_payment_is_matched_to_a_document_it_does_not_pay(seed: int) -> None:
    rng = random.Random(seed)
    items = _items(rng)
    indexed = OpenItems(items)
    matched = expected = 0
    for _ in range(12):
        meant = [rng.choice(items)]
        same = [i for i in items if i.partner == meant[0].partner and i not in meant]
        if rng.random() < 0.3 and same:
            meant += rng.sample(same, k=min(len(same), rng.randrange(1, 3)))
        amount = Money(sum(i.open_amount.amount_minor for i in meant), "EUR")
        style = rng.choice(["rf", "numbers", "spoiled", "none", "noise"])
        lines = [rng.choice(_NOISE)]
        reference = None
        if style == "rf" and len(meant) == 1:
            reference = meant[0].reference
        elif style == "numbers":
            lines += [f"{_dress(rng, i.number)}," for i in meant]
        elif style == "spoiled":
            lines += [f"{_spoil(rng, i.number)}," for i in meant]
        learned = frozenset({rng.choice([meant[0].partner, rng.choice(PARTNERS)])})
        decision = decide(_credit(lines, reference, amount, "NL91ABNA0417164300"), indexed, learned)
        sure = reference is not None or style == "numbers"
        expected += sure
        if decision.level is Level.AUTO:
            paid = {share.number for share in decision.shares}
            truth = {i.number for i in meant}
            assert paid == truth or (not sure and paid == _spelled(lines, items)), (lines, reference, amount, decision)
            matched += sure
    assert matched == expected


def _spelled(lines: list[str], items: list[OpenItem]) -> set[str]:
    """A spoiled number may by chance be another document's complete number: then it is what the payer wrote."""
    words = {bank.normalise(word) for line in lines for word in line.split(",")}
    return {item.number for item in items if bank.normalise(item.number) in words}


@given(text=st.text(max_size=200), minor=st.sampled_from(AMOUNTS))
def test_free_text_never_matches_by_itself(text: str, minor: int) -> None:
    items = OpenItems(_items(random.Random(1)))
    made = _credit([], None, Money(minor, "EUR"), "NL91ABNA0417164300").model_copy(update={"text": text})
    assert decide(made, items, frozenset(PARTNERS)).level is not Level.AUTO


@given(st.text(max_size=300))
def test_finding_references_never_fails_and_finds_valid_ones_only(text: str) -> None:
    for reference in bank.find_references(text):
        assert rf_reference.is_valid(reference.value) or len(reference.value) == 27


@given(body=st.from_regex(r"[A-Z0-9]{1,21}", fullmatch=True), blanks=st.integers(1, 7), lower=st.booleans())
def test_a_reference_survives_blanks_and_case(body: str, blanks: int, lower: bool) -> None:
    reference = rf_reference.make(body)
    written = " ".join(reference[i : i + blanks] for i in range(0, len(reference), blanks))
    found = bank.find_references(f"ref: {written.lower() if lower else written}, thanks")
    assert reference in {r.value for r in found}


@given(minor=st.integers(1, 10**12))
def test_amounts_survive_the_file_exactly(minor: int) -> None:
    text = f"{Decimal(minor).scaleb(-2):f}"
    (statement,) = bank.read_camt(camt(Stmt([Ntry(text)], opening="0.00"))).statements
    assert statement.entries[0].amount == Money(minor, "EUR")
    assert statement.end.consistent is True
