"""The matching cascade of rules.md 9: pure, deterministic, and never by amount alone.

AUTO needs something only the payer of that document could have written. Everything else is a suggestion. Two equal
candidates are never decided. A tolerance never makes a match; it only says what the rest of one is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from roamclear.bank.remittance import NumberIndex, Strength
from roamclear.kernel.money import Money, total
from roamclear.reconciliation.model import Decision, Level, OpenItem, Payment, Rule, Share

MAX_SUBSET_ITEMS = 20
MAX_SUBSET_MEMBERS = 8
MAX_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Named:
    """Items whose numbers a payment holds, by how surely they were meant."""

    complete: tuple[OpenItem, ...]
    touching: tuple[OpenItem, ...]
    doubtful: tuple[OpenItem, ...]


class OpenItems:
    """Unpaid documents of an issuer, indexed once for many payments and kept up to date while they are paid."""

    def __init__(self, items: Iterable[OpenItem]) -> None:
        self.items = {item.number: item for item in sorted(items, key=lambda i: (i.due_on, i.number))}
        self._index = NumberIndex(self.items)
        self._references: dict[str, list[str]] = defaultdict(list)
        self._partners: dict[str, list[str]] = defaultdict(list)
        for item in self.items.values():
            if item.reference:
                self._references[item.reference].append(item.number)
            self._partners[item.partner].append(item.number)

    def paid(self, number: str, open_amount: Money) -> None:
        """An item got money: nothing open means it is gone."""
        item = self.items.get(number)
        if item is not None and open_amount:
            self.items[number] = item.model_copy(update={"open_amount": open_amount})
        elif item is not None:
            del self.items[number]

    def by_reference(self, references: Iterable[str]) -> list[OpenItem]:
        """Items whose structured reference stands in the payment."""
        return self._known(number for value in references for number in self._references.get(value, ()))

    def by_number(self, payment: Payment) -> Named:
        """Items whose number stands in the payment, by how surely it does."""
        found: dict[Strength, list[str]] = {strength: [] for strength in Strength}
        for text in (*payment.document_numbers, payment.text):
            for hit in self._index.find(text):
                found[hit.strength].append(hit.number)
        sure = set(found[Strength.COMPLETE])
        touching = [number for number in found[Strength.TOUCHING] if number not in sure]
        doubtful = [number for number in found[Strength.DOUBTFUL] if number not in sure | set(touching)]
        return Named(*(tuple(self._known(names)) for names in (found[Strength.COMPLETE], touching, doubtful)))

    def by_suffix(self, payment: Payment) -> list[OpenItem]:
        """Items of which the text holds a cut number."""
        return self._known(self._index.by_suffix(" ; ".join((*payment.document_numbers, payment.text))))

    def of_partner(self, partner: str) -> list[OpenItem]:
        """Unpaid documents of one partner, oldest due date first."""
        return self._known(self._partners.get(partner, ()))

    def _known(self, numbers: Iterable[str]) -> list[OpenItem]:
        return [self.items[number] for number in dict.fromkeys(numbers) if number in self.items]


def decide(payment: Payment, items: OpenItems, learned: frozenset[str] = frozenset()) -> Decision:
    """The first rule of the cascade that says something; ``learned`` are the partners who paid from this IBAN before.

    Only items in the payment's currency can match; a reference to one in another currency is WRONG_CURRENCY.
    """
    referred = items.by_reference(payment.references)
    named = items.by_number(payment)
    meant = _merge(referred, named.complete, named.touching, named.doubtful)
    foreign = [item for item in meant if item.open_amount.currency != payment.amount.currency]
    if foreign:
        return _suggest(payment, Rule.NOTHING, 0, ("currency",), foreign, reasons=("WRONG_CURRENCY",))
    return (
        _by_reference(payment, referred, named)
        or _by_numbers(payment, named)
        or _by_cut_number(payment, items, learned)
        or _by_payer(payment, items, learned)
        or _by_amount(payment, items)
    )


def _by_reference(payment: Payment, referred: Sequence[OpenItem], named: Named) -> Decision | None:
    """Valid RF/QRR of open items: exact sum, or one item with another amount."""
    if not referred:
        return None
    if _sums(referred, payment.amount) and _one_debtor(referred):
        return _auto(Rule.CREDITOR_REFERENCE, 100, ("reference", "amount"), referred)
    meant = _merge(referred, named.complete, named.touching)
    if len(meant) == 1:
        return _partial(payment, meant[0], Rule.PARTIAL_REFERENCE, 95, "reference")
    if _sums(meant, payment.amount) and _one_debtor(meant) and _unambiguous(meant):
        return _auto(Rule.COMPLETE_NUMBERS, 98, ("reference", "number", "amount"), meant)
    return _suggest(payment, Rule.NUMBERS_OTHER_SUM, 60, ("reference", "number"), meant)


def _by_numbers(payment: Payment, named: Named) -> Decision | None:
    """All numbers complete and exact, one number with another amount, several with another sum."""
    meant = _merge(named.complete, named.touching)
    if meant and _one_debtor(meant) and _sums(meant, payment.amount) and _unambiguous(meant):
        return _auto(Rule.COMPLETE_NUMBERS, 98, ("number", "amount"), meant)
    every = _merge(meant, named.doubtful)
    if len(every) == 1 and named.complete:
        return _partial(payment, every[0], Rule.PARTIAL_NUMBER, 90, "number")
    if not every:
        return None
    reasons = () if _one_debtor(every) and _unambiguous(every) else ("AMBIGUOUS_MATCH",)
    return _suggest(payment, Rule.NUMBERS_OTHER_SUM, 60, ("number",), every, reasons=reasons)


def _by_cut_number(payment: Payment, items: OpenItems, learned: frozenset[str]) -> Decision | None:
    """A cut number: AUTO only with a learned payer and the exact amount, and only if one item fits."""
    cut = [item for item in items.by_suffix(payment) if item.open_amount.currency == payment.amount.currency]
    if not cut:
        return None
    exact = [item for item in cut if item.open_amount == payment.amount]
    if len(cut) == 1 and exact and learned == {cut[0].partner}:
        return _auto(Rule.CUT_NUMBER, 85, ("number suffix", "payer", "amount"), cut)
    if len(exact) == 1 or (_sums(cut, payment.amount) and _one_debtor(cut)):
        return _suggest(payment, Rule.CUT_NUMBER, 55, ("number suffix", "amount"), exact or cut)
    if len(exact) > 1:
        return _suggest(payment, Rule.CUT_NUMBER, 40, ("number suffix", "amount"), exact, reasons=("AMBIGUOUS_MATCH",))
    return None


def _by_payer(payment: Payment, items: OpenItems, learned: frozenset[str]) -> Decision | None:
    """A known payer: the item of that amount, else the only subset of the open items that gives it."""
    own = [item for partner in sorted(learned) for item in items.of_partner(partner)]
    own = [item for item in own if item.open_amount.currency == payment.amount.currency]
    exact = [item for item in own if item.open_amount == payment.amount]
    if len(exact) == 1:
        return _suggest(payment, Rule.PAYER_AMOUNT, 50, ("payer", "amount"), exact)
    if len(exact) > 1:
        return _suggest(payment, Rule.PAYER_AMOUNT, 30, ("payer", "amount"), exact, reasons=("AMBIGUOUS_MATCH",))
    found = subsets(own, payment.amount)
    if len(found) == 1:
        return _suggest(payment, Rule.PAYER_SUBSET, 40, ("payer", "amount"), list(found[0]))
    if len(found) > 1:
        merged = _merge(*found)
        return _suggest(payment, Rule.PAYER_SUBSET, 20, ("payer", "amount"), merged, reasons=("AMBIGUOUS_MATCH",))
    return None


def _by_amount(payment: Payment, items: OpenItems) -> Decision:
    """The amount alone says almost nothing: the candidates are shown, nothing more."""
    exact = [item for item in items.items.values() if item.open_amount == payment.amount]
    if not exact:
        return Decision(level=Level.NONE, rule=Rule.NOTHING, score=0, fields=())
    reasons = ("AMBIGUOUS_MATCH",) if len(exact) > 1 else ()
    return _suggest(payment, Rule.AMOUNT_ONLY, 10, ("amount",), exact, reasons=reasons)


def subsets(items: Sequence[OpenItem], amount: Money) -> list[tuple[OpenItem, ...]]:
    """Sets of 2 to 8 of at most 20 items that sum exactly to an amount; two are enough to know it is not unique."""
    if not 2 <= len(items) <= MAX_SUBSET_ITEMS:
        return []
    found: list[tuple[OpenItem, ...]] = []
    wanted = amount.amount_minor
    half = len(items) // 2
    left, right = items[:half], items[half:]
    sums: dict[int, list[tuple[OpenItem, ...]]] = defaultdict(list)
    for group in _groups(left):
        sums[_minor(group)].append(group)
    for group in _groups(right):
        for other in sums.get(wanted - _minor(group), ()):
            if 2 <= len(group) + len(other) <= MAX_SUBSET_MEMBERS:
                found.append((*other, *group))
                if len(found) == 2:
                    return found
    return found


def _groups(items: Sequence[OpenItem]) -> Iterable[tuple[OpenItem, ...]]:
    for size in range(min(len(items), MAX_SUBSET_MEMBERS) + 1):
        yield from combinations(items, size)


def _minor(items: Iterable[OpenItem]) -> int:
    return sum(item.open_amount.amount_minor for item in items)


def _one_debtor(items: Sequence[OpenItem]) -> bool:
    return len({item.partner for item in items}) == 1


def _merge(*lists: Iterable[OpenItem]) -> list[OpenItem]:
    merged = {item.number: item for items in lists for item in items}
    return sorted(merged.values(), key=lambda item: (item.due_on, item.number))


def _sums(items: Sequence[OpenItem], amount: Money) -> bool:
    return total((item.open_amount for item in items), amount.currency) == amount


def _unambiguous(items: Sequence[OpenItem]) -> bool:
    """Two numbers that fold alike were both found in one place: nobody can say which was meant."""
    index = NumberIndex(item.number for item in items)
    return all(len(index.find(item.number)) == 1 for item in items)


def _whole(items: Iterable[OpenItem]) -> tuple[Share, ...]:
    return tuple(Share(number=i.number, contract_id=i.contract_id, amount=i.open_amount) for i in items)


def _partial(payment: Payment, item: OpenItem, rule: Rule, score: int, field: str) -> Decision:
    """One document surely meant, another amount: pay what came, or the open amount and keep the rest unapplied.

    A credit note cannot be paid: that is a suggestion.
    """
    if item.open_amount.amount_minor <= 0:
        return _suggest(payment, rule, 30, (field,), [item])
    short = payment.amount < item.open_amount
    fee = short and payment.charges is not None and payment.charges == item.open_amount - payment.amount
    paid = payment.amount if short else item.open_amount
    share = Share(number=item.number, contract_id=item.contract_id, amount=paid)
    reasons = (("BANK_FEE",) if fee else ("SHORT_PAY",)) if short else ("OVERPAY",)
    return _auto(rule, score, (field,), [item], shares=(share,), reasons=reasons)


def _auto(
    rule: Rule,
    score: int,
    fields: tuple[str, ...],
    items: Sequence[OpenItem],
    *,
    shares: tuple[Share, ...] | None = None,
    reasons: tuple[str, ...] = (),
) -> Decision:
    shares = _whole(items) if shares is None else shares
    return Decision(
        level=Level.AUTO,
        rule=rule,
        score=score,
        fields=fields,
        shares=shares,
        reasons=reasons,
        candidates=tuple(share.number for share in shares),
        partner=items[0].partner,
    )


def _suggest(
    payment: Payment,
    rule: Rule,
    score: int,
    fields: tuple[str, ...],
    items: Sequence[OpenItem],
    *,
    reasons: tuple[str, ...] = (),
) -> Decision:
    exact = not reasons and _sums(items, payment.amount)
    return Decision(
        level=Level.SUGGEST,
        rule=rule,
        score=score,
        fields=fields,
        shares=_whole(items) if exact else (),
        reasons=reasons,
        candidates=tuple(item.number for item in items[:MAX_CANDIDATES]),
    )
