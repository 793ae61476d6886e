"""Rows of the EVSE register, of payout accounts with their versions, and of assignments."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.evses.model import (
    UNASSIGNED,
    AccountState,
    AccountVersion,
    Assignment,
    AssignmentRequest,
    Evse,
    PayoutAccount,
    Policy,
    Proposal,
)
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Check, Key, Put, Remove, Table, When

#: Folded ids begin with two letters, so these bounds hold them all.
_FIRST, _LAST = "A", "["


# ---- register ------------------------------------------------------------------------------------------------------
def evse(db: Database, issuer_id: str, evse_id: str) -> Evse | None:
    """One EVSE or None."""
    row = db.get(Table.CLEARING, keys.evse(issuer_id, evse_id))
    return Evse.load(row) if row else None


def evses(db: Database, issuer_id: str, ids: Iterable[str]) -> dict[str, Evse]:
    """EVSEs by folded id; what is not registered is not in the answer."""
    rows = db.get_many(Table.CLEARING, [keys.evse(issuer_id, each) for each in ids])
    return {row["evse_id"]: Evse.load(row) for row in rows.values()}


def evse_put(made: Evse, known: Evse | None) -> Put:
    """A new EVSE, or the next state of one over exactly the state that was read."""
    changed = known.changed + 1 if known else 0
    item = made.model_copy(update={"changed": changed}).dump() | {
        "gsi1pk": keys.evses(made.issuer_id),
        "gsi1sk": made.evse_id,
        "gsi2pk": keys.evses_of_account(made.issuer_id, made.account_id or UNASSIGNED),
        "gsi2sk": made.evse_id,
    }
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.evse(made.issuer_id, made.evse_id), item, when=when)


def ids_of_register(db: Database, issuer_id: str, after: str | None) -> Iterator[str]:
    """Ids of the register in order, from ``after`` (exclusive) on."""
    return _ids(db, keys.evses(issuer_id), "gsi1", after)


def ids_of_accounts(db: Database, issuer_id: str, accounts: Iterable[str], after: str | None) -> Iterator[str]:
    """Ids of the EVSEs whose newest assignment names one of the accounts (``-`` is none), merged in order."""
    return heapq.merge(*(_ids(db, keys.evses_of_account(issuer_id, each), "gsi2", after) for each in accounts))


def _ids(db: Database, pk: str, index: str, after: str | None) -> Iterator[str]:
    for row in db.rows(Table.CLEARING, pk, index=index, after=after or _FIRST):
        if row[f"{index}sk"] != after:
            yield str(row[f"{index}sk"])


def count_register(db: Database, issuer_id: str) -> int:
    """How many EVSEs are registered."""
    return db.count(Table.CLEARING, keys.evses(issuer_id), index="gsi1", after=_FIRST, before=_LAST)


def count_account(db: Database, issuer_id: str, account_id: str) -> int:
    """How many EVSEs name an account in their newest assignment."""
    pk = keys.evses_of_account(issuer_id, account_id)
    return db.count(Table.CLEARING, pk, index="gsi2", after=_FIRST, before=_LAST)


def fact(issuer_id: str, at: datetime, name: str, subject: str, payload: dict[str, Any]) -> Put:
    """A fact for the higher rooms."""
    return outbox.fact(issuer_id, at, name, subject, payload)


# ---- assignments ---------------------------------------------------------------------------------------------------
def history(db: Database, issuer_id: str, evse_id: str) -> list[Assignment]:
    """Every entry of an EVSE's history, oldest recording first."""
    pk = keys.evse(issuer_id, evse_id).pk
    rows = db.rows(Table.CLEARING, pk, prefix="ASSIGNED#", consistent=True)
    return [Assignment.load(row) for row in rows]


def assignment_put(made: Assignment) -> Put:
    """One entry; never changed."""
    return Put(Table.CLEARING, keys.assignment(made.issuer_id, made.evse_id, made.number), made.dump(), when=ABSENT)


def account_active(issuer_id: str, account_id: str) -> Check:
    """Let an assignment land only while its account is active."""
    return Check(Table.CLEARING, keys.account(issuer_id, account_id), when=(When("active", "=", True),))


def policy(db: Database, issuer_id: str) -> Policy:
    """The issuer's policy, or the default one."""
    row = db.get(Table.CLEARING, keys.assignment_policy(issuer_id))
    return Policy.load(row) if row else Policy()


def policy_put(issuer_id: str, made: Policy) -> Put:
    """Write the policy."""
    return Put(Table.CLEARING, keys.assignment_policy(issuer_id), {"issuer_id": issuer_id, **made.dump()}, when=())


def request(db: Database, issuer_id: str, request_id: str) -> AssignmentRequest | None:
    """One request or None."""
    row = db.get(Table.CLEARING, keys.assignment_request(issuer_id, request_id))
    return AssignmentRequest.load(row) if row else None


def request_put(made: AssignmentRequest, known: AssignmentRequest | None) -> Put:
    """A new request, or its decision over the state that was read."""
    item = made.dump() | {
        "gsi1pk": keys.assignment_requests(made.issuer_id, made.state.value),
        "gsi1sk": f"{sort_instant(made.asked_at_utc)}#{made.request_id}",
    }
    when = (When("state", "=", known.state.value),) if known else ABSENT
    return Put(Table.CLEARING, keys.assignment_request(made.issuer_id, made.request_id), item, when=when)


def requests(db: Database, issuer_id: str, state: str) -> list[AssignmentRequest]:
    """Requests of a state, oldest first."""
    pk = keys.assignment_requests(issuer_id, state)
    found = [Key(row["pk"], row["sk"]) for row in db.rows(Table.CLEARING, pk, index="gsi1")]
    rows = db.get_many(Table.CLEARING, found)
    loaded = [AssignmentRequest.load(rows[key]) for key in found if key in rows]
    return [each for each in loaded if each.state.value == state]


# ---- accounts ------------------------------------------------------------------------------------------------------
def account(db: Database, issuer_id: str, account_id: str) -> PayoutAccount | None:
    """One head or None."""
    row = db.get(Table.CLEARING, keys.account(issuer_id, account_id))
    return PayoutAccount.load(row) if row else None


def accounts(db: Database, issuer_id: str) -> list[PayoutAccount]:
    """Every head of an issuer, by id."""
    rows = db.rows(Table.CLEARING, keys.accounts(issuer_id), consistent=True)
    return [PayoutAccount.load(row) for row in rows if row["sk"].endswith("#HEAD")]


def account_heads(db: Database, issuer_id: str, ids: Iterable[str]) -> dict[str, PayoutAccount]:
    """Heads by id."""
    rows = db.get_many(Table.CLEARING, [keys.account(issuer_id, each) for each in ids])
    return {row["account_id"]: PayoutAccount.load(row) for row in rows.values()}


def account_puts(made: PayoutAccount, known: PayoutAccount | None, at: datetime) -> list[Put]:
    """A new head, or the next one over exactly the state that was read, and what it was from now on."""
    head = made.model_copy(update={"changed": known.changed + 1 if known else 0})
    when = (When("changed", "=", known.changed),) if known else ABSENT
    state = AccountState(issuer_id=head.issuer_id, account_id=head.account_id, recorded_at_utc=at, head=head)
    key = keys.account_state(head.issuer_id, head.account_id, head.changed)
    return [
        Put(Table.CLEARING, keys.account(head.issuer_id, head.account_id), head.dump(), when=when),
        Put(Table.CLEARING, key, state.dump()),
    ]


def account_states(db: Database, issuer_id: str, account_id: str) -> list[AccountState]:
    """Every state of an account's head, oldest first."""
    rows = db.rows(Table.CLEARING, keys.accounts(issuer_id), prefix=f"{account_id}#S#", consistent=True)
    return [AccountState.load(row) for row in rows]


def version(db: Database, issuer_id: str, account_id: str, number: int) -> AccountVersion | None:
    """One version or None."""
    row = db.get(Table.CLEARING, keys.account_version(issuer_id, account_id, number))
    return AccountVersion.load(row) if row else None


def account_versions(db: Database, issuer_id: str, wanted: Iterable[tuple[str, int]]) -> list[AccountVersion]:
    """Versions by account and number, those that exist."""
    rows = db.get_many(Table.CLEARING, [keys.account_version(issuer_id, each, number) for each, number in wanted])
    return [AccountVersion.load(row) for row in rows.values()]


def versions(db: Database, issuer_id: str, account_id: str) -> list[AccountVersion]:
    """All versions, oldest first."""
    rows = db.rows(Table.CLEARING, keys.accounts(issuer_id), prefix=f"{account_id}#V#", consistent=True)
    return [AccountVersion.load(row) for row in rows]


def version_put(made: AccountVersion) -> Put:
    """One version; never changed."""
    return Put(Table.CLEARING, keys.account_version(made.issuer_id, made.account_id, made.version), made.dump())


def proposal(db: Database, issuer_id: str, account_id: str) -> Proposal | None:
    """The change that waits for a second person, or None."""
    row = db.get(Table.CLEARING, keys.account_proposal(issuer_id, account_id))
    return Proposal.load(row) if row else None


def proposal_put(made: Proposal) -> Put:
    """A change to be approved; a newer one replaces it."""
    return Put(Table.CLEARING, keys.account_proposal(made.issuer_id, made.account_id), made.dump(), when=())


def proposal_remove(made: Proposal) -> Remove:
    """Take away exactly the proposal that was approved, not one that came in between."""
    when = (When("asked_at_utc", "=", sort_instant(made.asked_at_utc)), When("maker", "=", made.maker))
    return Remove(Table.CLEARING, keys.account_proposal(made.issuer_id, made.account_id), when=when)
