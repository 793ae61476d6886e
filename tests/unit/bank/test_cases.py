"""Real third-party bank files: what the reader finds must equal facts that were computed independently of it."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from roamclear.bank import service
from roamclear.bank.model import CamtFile, Kind, Sign, Statement, Status
from roamclear.kernel.money import Money

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "bank"
_FACTS: dict[str, dict[str, Any]] = (
    json.loads((CASES / "expect.json").read_text(), parse_float=Decimal) if (CASES / "expect.json").exists() else {}
)

pytestmark = [
    pytest.mark.cases,
    pytest.mark.skipif(not _FACTS, reason="the third-party bank files are not at hand"),
]


def _read(name: str) -> CamtFile:
    return service.read_camt((CASES / name).read_bytes())


def _minor(text: str, currency: str) -> int:
    return Money.exact(Decimal(text), currency).amount_minor


@pytest.mark.parametrize("name", sorted(_FACTS))
def test_sums_counts_and_versions_equal_the_facts(name: str) -> None:
    facts, file = _FACTS[name], _read(name)
    entries = [entry for statement in file.statements for entry in statement.entries]
    assert len(file.statements) == facts["statements"]
    assert len(entries) == facts["entries"]
    assert sum(len(entry.transactions) for entry in entries) == facts["transactions"]
    assert sum(len(e.transactions) for e in entries if e.details_given) == facts["txdtls_elements"]
    for currency, (credit, debit) in facts["sums_per_currency"].items():
        of = [entry for entry in entries if entry.amount.currency == currency]
        assert sum(e.amount.amount_minor for e in of if e.sign is Sign.CREDIT) == _minor(credit, currency)
        assert sum(e.amount.amount_minor for e in of if e.sign is Sign.DEBIT) == _minor(debit, currency)
    for statement in file.statements:
        assert statement.head.version == facts["version"]
        assert statement.head.kind.value == facts["version"][:8]


@pytest.mark.parametrize("name", sorted(_FACTS))
def test_statements_equal_the_facts(name: str) -> None:
    facts, file = _FACTS[name], _read(name)
    for statement, expected in zip(file.statements, facts["statement_list"], strict=True):
        head, end = statement.head, statement.end
        assert head.id == expected["id"]
        assert (head.electronic_number, head.legal_number) == (expected["seq"], expected["lgl"])
        assert head.copy_mark == expected["cdi"]
        assert head.account.currency == expected["ccy"]
        assert expected["iban"] in (None, head.account.id)
        assert {b.code for b in end.balances} == set(expected["balance_codes"])
        _compare_balances(statement, expected)


def _compare_balances(statement: Statement, expected: dict[str, Any]) -> None:
    end = statement.end
    for balance, text in ((end.opening, expected["opening"]), (end.closing, expected["closing"])):
        assert (balance is None) == (text is None)
        if balance is not None:
            assert balance.amount.to_decimal() == Decimal(text)
    if expected["opening_type"] is not None:
        assert end.opening is not None
        assert end.opening.code == expected["opening_type"]
    if len(end.booked) == 1:
        currency, minor = next(iter(end.booked.items()))
        assert minor == _minor(expected["net_booked"].lstrip("-"), currency) * (
            -1 if expected["net_booked"].startswith("-") else 1
        )
    if expected["balance_consistent"] is not None:
        assert end.consistent is expected["balance_consistent"]
        assert ("BALANCE_DIFFERS" in {f.code for f in end.findings}) is not expected["balance_consistent"]


@pytest.mark.parametrize("name", sorted(_FACTS))
def test_statuses_equal_the_facts(name: str) -> None:
    facts, file = _FACTS[name], _read(name)
    stated: Counter[str] = Counter()
    for statement in file.statements:
        for entry in statement.entries:
            missing = any(f.code == "STATUS_MISSING" for f in entry.findings)
            stated["(none)" if missing else entry.status.value] += 1
            if missing:
                assert (entry.status is Status.BOOK) is (statement.head.kind is Kind.STATEMENT)
    assert stated == Counter(facts["entry_status"])


@pytest.mark.parametrize("name", sorted(_FACTS))
def test_quirks_are_seen(name: str) -> None:
    facts, file = _FACTS[name], _read(name)
    entries = [entry for statement in file.statements for entry in statement.entries]
    transactions = [t for entry in entries for t in entry.transactions if entry.details_given]
    quirks = {key: int(count or 1) for key, _, count in (q.partition(" x") for q in facts["quirks"])}
    assert sum(e.reversal for e in entries) == quirks.get("RvslInd=true", 0)
    assert sum(t.returned is not None for t in transactions) == quirks.get("RtrInf", 0)
    reasons = Counter(t.returned.reason for t in transactions if t.returned)
    assert reasons["MD06"] == quirks.get("RtrInf:MD06", 0)
    assert sum(t.uetr is not None for t in transactions) == quirks.get("UETR", 0)
    assert sum(bool(e.charges) for e in entries) >= min(1, quirks.get("entry-Chrgs", 0))
    assert sum(bool(t.charges) for t in transactions) >= min(1, quirks.get("tx-Chrgs", 0))
    assert sum(len(t.remittance_lines) > 1 for t in transactions) == quirks.get("several-Ustrd", 0)
    kinds = Counter(r.kind.value for t in transactions for r in t.references)
    assert kinds["RF"] >= quirks.get("RF-valid", 0)
    assert kinds["QRR"] >= quirks.get("QRR/ESR-valid", 0)
    codes = Counter(f.code for e in entries for f in e.findings)
    assert codes["DETAIL_SUM_DIFFERS"] == quirks.get("sum(TxDtls)!=Ntry", 0)


@pytest.mark.parametrize("name", sorted(_FACTS))
def test_keys_are_unique_in_a_statement_and_equal_on_the_next_reading(name: str) -> None:
    first, second = _read(name), _read(name)
    assert first == second
    for statement in first.statements:
        keys = [entry.key for entry in statement.entries]
        assert len(keys) == len(set(keys))
        inner = [t.key for entry in statement.entries for t in entry.transactions]
        assert len(inner) == len(set(inner))


def test_the_chain_of_one_account_continues_from_day_to_day() -> None:
    chains: dict[str, list[Statement]] = {}
    for name in sorted(n for n in _FACTS if n.startswith("Subite-eu")):
        for statement in _read(name).statements:
            chains.setdefault(statement.head.account.id, []).append(statement)
    assert chains
    for chain in chains.values():
        for before, after in pairwise(chain):
            assert before.end.closing is not None
            assert after.end.opening is not None
            assert before.end.closing.amount == after.end.opening.amount
