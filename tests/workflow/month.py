"""October 2026 of five contracts on one laptop stack: the real state machine, moved by nothing but the clock.

| contract | what is special |
|---|---|
| C-PLAIN | six sessions, nothing special |
| C-EMPTY | no sessions |
| C-ASKED | two sessions; a second pair of eyes before the invoice |
| C-BROKEN | two sessions; its terms lose the buyer's VAT id, so the invoice is refused before a number is taken |
| C-LOST | two sessions; a received body is gone when the session list is written, after the number was taken |
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from infra.local.stack import LaptopStack
from roamclear.aws import keys
from roamclear.aws.db import Tables
from roamclear.aws.objects import Buckets
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.contracts import vat_proofs
from roamclear.contracts.vat import VatProof
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.kernel.clock import ManualClock
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.writes import Key, Table
from tests.support import builders as b
from tests.support.moto_stack import BUCKETS, MailSink, WorkflowLog

#: Contract -> (party, number of sessions).
CONTRACTS = {
    "C-PLAIN": ("NLPLN", 6), "C-EMPTY": ("NLEMP", 0), "C-ASKED": ("NLASK", 2), "C-BROKEN": ("NLBRK", 2),
    "C-LOST": ("NLLST", 2),
}  # fmt: skip
OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
CLOSES = datetime(2026, 11, 8, 23, 0, tzinfo=UTC)
#: A session of the builders: 20 kWh at 0.39 and 0.50 per session.
SESSION_MINOR = 830


def run_id(contract_id: str) -> str:
    """The run of a contract."""
    return f"{contract_id}.2026-10.CLOSE"


def shortened(definition: str) -> str:
    """The same machine with a second between tries; how long they wait is checked in tests/infra."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(v) for v in value]
        if not isinstance(value, dict):
            return value
        found = {k: walk(v) for k, v in value.items()}
        if "IntervalSeconds" in found:
            found |= {"IntervalSeconds": 1, "BackoffRate": 1, "MaxDelaySeconds": 2}
        return found

    return json.dumps(walk(json.loads(definition)))


@dataclass
class Month:
    """The played month, and how to look at it and go on."""

    stack: LaptopStack
    ctx: Context
    clock: ManualClock
    started: list[list[str]] = field(default_factory=list)
    completed: dict[str, int] = field(default_factory=dict)
    spoiled: dict[str, dict[str, Any]] = field(default_factory=dict)

    # -- looking -----------------------------------------------------------------------------------------------------
    def run(self, contract_id: str) -> Run | None:
        """The run of a contract as it stands."""
        try:
            return billing.run(self.ctx, b.ISSUER, run_id(contract_id))
        except NotFound:
            return None

    def execution(self, contract_id: str, attempt: int = 0) -> str:
        """The ARN of an execution."""
        machine: str = self.stack.outputs["CloseStateMachineArn"].replace(":stateMachine:", ":execution:")
        return f"{machine}:{b.ISSUER}.{run_id(contract_id)}" + (f".R{attempt}" if attempt else "")

    def status(self, contract_id: str, attempt: int = 0) -> str:
        """RUNNING, SUCCEEDED, FAILED …"""
        states = self.stack.boto("stepfunctions")
        return str(states.describe_execution(executionArn=self.execution(contract_id, attempt))["status"])

    def events(self, contract_id: str, attempt: int = 0) -> list[dict[str, Any]]:
        """The history of an execution."""
        pages = self.stack.boto("stepfunctions").get_paginator("get_execution_history")
        found = pages.paginate(executionArn=self.execution(contract_id, attempt))
        return [event for page in found for event in page["events"]]

    def entered(self, contract_id: str, attempt: int = 0) -> list[str]:
        """The states an execution went through, in order."""
        found = (event.get("stateEnteredEventDetails") for event in self.events(contract_id, attempt))
        return [each["name"] for each in found if each]

    def exceptions(self, contract_id: str, state: str = "OPEN") -> set[str]:
        """The kinds of a contract's exceptions."""
        rows = journal.listed(self.ctx, b.actor("FINANCE"), b.ISSUER, state)
        return {row.kind.value for row in rows if row.partner == contract_id}

    def parked(self, gate: str) -> int:
        """How many runs wait at a gate."""
        rows = self.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#DUE", consistent=True)
        return sum(row["gate"] == gate for row in rows)

    def mails(self) -> int:
        """How many mails there are."""
        return len(self.stack.mails())

    # -- going on ----------------------------------------------------------------------------------------------------
    def at(self, instant: datetime) -> None:
        """Move the one clock."""
        self.stack.set_clock(instant)
        self.clock.set(instant)

    def until(self, ready: Callable[[], Any], what: str, timeout_s: float = 180) -> None:
        """Wait for something; what the functions logged is shown where it never comes."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if time.monotonic() > deadline:
                runs = {c: self.run(c) for c in CONTRACTS}
                raise AssertionError(f"{what}: did not happen; {runs}")
            time.sleep(0.3)

    def sweep_twice(self) -> None:
        """The regular sweep and the one-off schedule of the instant at the same moment."""
        with ThreadPoolExecutor(2) as pool:
            reasons = ({"reason": "schedule"}, {"reason": "due"})
            found = list(pool.map(lambda reason: self.stack.invoke("sweep", reason), reasons))
        assert {answer["due"] for answer in found} <= set(range(len(CONTRACTS) + 1))

    def swept_until(self, ready: Callable[[], Any], what: str) -> None:
        """The regular sweeps go on until something happened."""

        def turn() -> bool:
            self.stack.invoke("sweep", {"reason": "schedule"})
            return bool(ready())

        self.until(turn, what)

    def post(self, role: str, contract_id: str, action: str, **body: str) -> Any:
        """A person's request about a run."""
        headers = {"Roamclear-Issuer": b.ISSUER}
        path = f"/v1/runs/{run_id(contract_id)}/{action}"
        return self.stack.http("POST", path, body=body, headers=headers, token=self.stack.token(role))

    def draft(self, role: str, contract_id: str) -> dict[str, str]:
        """What a person sees of a draft: the hash of its content."""
        headers = {"Roamclear-Issuer": b.ISSUER}
        path = f"/v1/runs/{run_id(contract_id)}/draft"
        answer = self.stack.http("GET", path, headers=headers, token=self.stack.token(role))
        assert answer.status == 200, answer
        return {"content_hash": answer.json()["content_hash"]}

    def repair(self, contract_id: str) -> None:
        """Put back the row that was spoiled."""
        name = "intake" if contract_id == "C-LOST" else "clearing"
        self.stack.boto("dynamodb").put_item(TableName=self.stack.table(name), Item=self.spoiled[contract_id])


def play(stack: LaptopStack) -> Month:
    """From the first day of October to the lock, with two rows spoiled while the window was open."""
    clock = ManualClock(datetime(2026, 10, 1, tzinfo=UTC))
    tables = Tables(stack.boto("dynamodb"), {t: stack.table(t.value) for t in Table})
    buckets = Buckets(lambda: stack.boto("s3"), {name: stack.bucket(name) for name in BUCKETS})
    month = Month(stack, Context(clock, tables, buckets, MailSink(), WorkflowLog()), clock)
    _shorten(stack)
    _seed(month)
    _start(month)
    _open(month)
    _spoil(month)
    _close(month)
    return month


def _shorten(stack: LaptopStack) -> None:
    states, arn = stack.boto("stepfunctions"), stack.outputs["CloseStateMachineArn"]
    definition = states.describe_state_machine(stateMachineArn=arn)["definition"]
    states.update_state_machine(stateMachineArn=arn, definition=shortened(definition))


def _seed(month: Month) -> None:
    month.at(datetime(2026, 10, 1, tzinfo=UTC))
    b.found_issuer(month.ctx)
    for contract_id, (party, _) in CONTRACTS.items():
        b.found_contract(month.ctx, contract_id, party_ids=(party,), auto_issue=contract_id != "C-ASKED")
    b.found_own_account(month.ctx)
    month.at(datetime(2026, 10, 7, 12, tzinfo=UTC))
    refs = []
    numbers: Iterator[int] = iter(range(1, 1000))
    for party, count in CONTRACTS.values():
        for _ in range(count):
            body = b.body_of(b.cdr(next(numbers), emsp=party), received=month.clock.now())
            cdrs.receive(month.ctx, body)
            refs.append(body.cdr_ref)

    def rated() -> bool:
        found = cdrs.sessions(month.ctx, b.ISSUER, refs).values()
        return [s.billing for s in found] == [Billing.VERIFIED] * len(refs)

    month.until(rated, "every session is rated by the stream")


def _start(month: Month) -> None:
    """The hourly schedule fires twice at once, and once more; both VAT ids were checked that day."""
    month.at(datetime(2026, 10, 31, 23, 5, tzinfo=UTC))
    for vat_id in (b.issuer().vat_id, b.terms().counterparty.vat_id):
        proof = VatProof(vat_id=vat_id or "", valid=True, checked_on=date(2026, 11, 1), request_id="WAPI-1")
        vat_proofs.record(month.ctx, b.actor(Role.FINANCE), b.ISSUER, "C-PLAIN", proof)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: month.stack.invoke("start_close", {"reason": "schedule"}), range(2)))
    month.until(lambda: month.parked("OPENS") == len(CONTRACTS), "every run waits for its opening")
    answers.append(month.stack.invoke("start_close", {"reason": "schedule"}))
    month.started = [answer["started"] for answer in answers]


def _open(month: Month) -> None:
    month.at(OPENS - timedelta(minutes=1))
    month.sweep_twice()
    assert month.parked("OPENS") == len(CONTRACTS)
    month.at(OPENS + timedelta(seconds=2))
    month.sweep_twice()
    month.until(lambda: month.parked("CLOSES") == len(CONTRACTS) - 1, "every window is open")


def _spoil(month: Month) -> None:
    """A row is damaged as by a wrong repair, another is lost; both are kept to be put back."""
    client = month.stack.boto("dynamodb")

    def row(name: str, key: Key) -> dict[str, Any]:
        typed = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
        found: dict[str, Any] = client.get_item(TableName=month.stack.table(name), Key=typed)["Item"]
        return found

    terms = row("clearing", keys.contract_version(b.ISSUER, "C-BROKEN", 1))
    month.spoiled["C-BROKEN"] = terms
    damaged = json.loads(json.dumps(terms))
    del damaged["terms"]["M"]["counterparty"]["M"]["vat_id"]
    client.put_item(TableName=month.stack.table("clearing"), Item=damaged)
    lost = next(s.cdr_ref for s, _ in billing.members(month.ctx, _must(month.run("C-LOST"))))
    month.spoiled["C-LOST"] = row("intake", keys.cdr_original(b.ISSUER, lost))
    typed = {name: month.spoiled["C-LOST"][name] for name in ("pk", "sk")}
    client.delete_item(TableName=month.stack.table("intake"), Key=typed)


def _close(month: Month) -> None:
    month.at(CLOSES + timedelta(seconds=50))  # closed, and the lock comes 60 seconds later
    month.sweep_twice()
    assert month.parked("CLOSES") == len(CONTRACTS) - 1
    month.at(CLOSES + timedelta(seconds=62))
    month.sweep_twice()

    def reached() -> bool:
        runs = {c: _must(month.run(c)) for c in CONTRACTS}
        return (
            runs["C-PLAIN"].state is RunState.SENT
            and runs["C-ASKED"].state is RunState.AWAITING_APPROVAL
            and runs["C-BROKEN"].failed_step is not None
            and runs["C-LOST"].failed_step is not None
        )

    month.until(reached, "every run came as far as it can")


def _must(run: Run | None) -> Run:
    assert run is not None
    return run
