"""A chain that was tampered with says where."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from roamclear.audit import rules
from roamclear.audit.model import AuditEntry


def chain(length: int = 4) -> list[AuditEntry]:
    made: list[AuditEntry] = []
    for number in range(1, length + 1):
        link = AuditEntry(
            issuer_id="voltwerk", kind="RUN", object_id="R", sequence=number,
            at_utc=datetime(2026, 11, number, tzinfo=UTC),
            actor_id="ada", action="DID", details={"price": Decimal("1.10"), "n": number},
            previous=made[-1].digest if made else rules.GENESIS, digest="",
        )  # fmt: skip
        made.append(rules.seal(link))
    return made


def test_a_whole_chain_holds() -> None:
    assert rules.broken_link(chain()) is None
    assert rules.broken_link([]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"actor_id": "eve"},
        {"action": "DID NOT"},
        {"details": {"price": Decimal("1.20"), "n": 2}},
        {"at_utc": datetime(2026, 11, 3, tzinfo=UTC)},
        {"previous": "f" * 64},
        {"sequence": 7},
        {"digest": "0" * 64},
    ],
)
def test_any_change_is_seen_at_its_link(change: dict[str, Any]) -> None:
    links = chain()
    links[1] = links[1].model_copy(update=change)
    assert rules.broken_link(links) == links[1].sequence


def test_a_change_that_is_sealed_anew_is_seen_at_the_next_link() -> None:
    links = chain()
    links[1] = rules.seal(links[1].model_copy(update={"actor_id": "eve"}))
    assert rules.broken_link(links) == 3


def test_a_link_that_is_taken_out_is_seen() -> None:
    links = chain()
    assert rules.broken_link([*links[:1], *links[2:]]) == 3


def test_numbers_count_by_value_as_the_table_gives_them_back() -> None:
    (link,) = chain(1)
    back = link.model_copy(update={"details": {"price": Decimal("1.1"), "n": Decimal("1.0")}})
    assert rules.digest_of(back) == link.digest
