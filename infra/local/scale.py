"""``python -m infra.local.scale``: many sessions over many contracts close on the laptop stack, and how long it takes.

The bodies are laid into the intake table by the use case that the OCPI endpoint calls (its one conditional put), not by
as many HTTP requests; from there on everything is the deployed template: the stream checks and rates them, and one
execution of the state machine per contract opens, locks, issues, renders, mails and finishes, moved by nothing but the
clock. With ``--laid`` the bodies take the same use cases in memory and their rows are put into the tables
(``infra/local/laid.py``), so that a hundred thousand sessions close in an hour or two. Memory is the high-water mark
of each function's processes, time that of each state as its history tells it.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from infra.local.errors import LocalError
from infra.local.stack import LaptopStack

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
STARTS = datetime(2026, 10, 31, 23, 7, tzinfo=UTC)
OPENS = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
CLOSES = datetime(2026, 11, 8, 23, 0, tzinfo=UTC)
#: A session of an hour every two hours at one EVSE: what the month has room for, without overlaps.
PER_EVSE = 350
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass
class Watch:
    """What was measured: seconds of each part, and MB of each function's largest process."""

    parts: dict[str, float] = field(default_factory=dict)
    memory_mb: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part and say what it took."""
        began = time.monotonic()
        yield
        self.parts[name] = time.monotonic() - began
        print(f"  {name:<34} {self.parts[name]:8.1f} s", flush=True)

    def look(self, scratch: Path, over: threading.Event) -> None:
        """Read the high-water mark of every function process again and again."""
        mark = f"{scratch}/ministack-lambda-"
        while not over.wait(0.5):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    command = (process / "cmdline").read_text().replace("\0", " ")
                    if mark not in command:
                        continue
                    (peak,) = (s for s in (process / "status").read_text().splitlines() if s.startswith("VmHWM"))
                except (OSError, ValueError):
                    continue  # it ended meanwhile
                # Each process has its own folder: the function's name and eight letters.
                name = command.split(mark, 1)[1].split("/", 1)[0].removeprefix("roamclear-local-")[:-9]
                self.memory_mb[name] = max(self.memory_mb[name], int(peak.split()[1]) // 1024)


@dataclass
class Scale:
    """One run of the command."""

    stack: LaptopStack
    sessions: int
    contracts: int
    watch: Watch
    patience_s: float

    def __post_init__(self) -> None:
        from roamclear.aws.db import Tables
        from roamclear.aws.objects import Buckets
        from roamclear.kernel.clock import ManualClock
        from roamclear.kernel.context import Context
        from roamclear.kernel.writes import Table
        from tests.support.moto_stack import BUCKETS, MailSink, WorkflowLog

        self.clock = ManualClock(BEGIN)
        tables = Tables(self.stack.boto("dynamodb"), {t: self.stack.table(t.value) for t in Table})
        buckets = Buckets(lambda: self.stack.boto("s3"), {name: self.stack.bucket(name) for name in BUCKETS})
        self.ctx = Context(self.clock, tables, buckets, MailSink(), WorkflowLog())
        self.names = [f"C-{number:02d}" for number in range(1, self.contracts + 1)]

    def at(self, instant: datetime) -> None:
        """Move the one clock."""
        self.stack.set_clock(instant)
        self.clock.set(instant)

    def found(self) -> list[str]:
        """The issuer, its contracts, and enough EVSEs; returns the EVSEs."""
        from roamclear.contracts.model import VatCategory, VatTreatment
        from tests.support import builders as b

        self.at(BEGIN)
        b.found_issuer(self.ctx)
        vat = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
        for place, name in enumerate(self.names):
            b.found_contract(self.ctx, name, party_ids=(party(place),), vat=vat)
        places = max(-(-self.sessions // PER_EVSE), self.contracts)
        evses = [f"DE*VWK*E{number:05d}" for number in range(1, places + 1)]
        b.found_own_account(self.ctx, evses=tuple(evses))
        return evses

    def take_in(self, evses: list[str], *, at_their_time: bool = False) -> None:
        """One conditional put per session, as the OCPI endpoint does it; in the order of their ends."""
        from roamclear.cdrs import service as cdrs
        from tests.support import builders as b

        self.at(datetime(2026, 10, 31, 12, tzinfo=UTC))
        for number in range(self.sessions):
            place, slot = number % len(evses), number // len(evses)
            begin = BEGIN + timedelta(hours=2 * slot)
            if at_their_time:
                # Five minutes after the end, one every few milliseconds.
                self.clock.set(begin + timedelta(minutes=65, milliseconds=7 * place))
            raw = b.cdr(
                number + 1,
                start=begin,
                evse=evses[place],
                emsp=party(place % self.contracts),
            )
            raw["cdr_token"]["uid"] = f"T{place:05d}"
            cdrs.receive(self.ctx, b.body_of(raw, received=self.clock.now()))

    def rated(self) -> bool:
        """Whether the stream has rated every session."""
        from roamclear.cdrs import service as cdrs
        from tests.support import builders as b

        end = datetime(2026, 11, 1, tzinfo=UTC)
        return sum(1 for name in self.names for _ in cdrs.verified_refs(self.ctx, b.ISSUER, name, end)) >= self.sessions

    def states(self) -> Counter[str]:
        """How many runs are in each state."""
        from roamclear.billing import store
        from tests.support import builders as b

        runs = store.all_runs(self.ctx.db, b.ISSUER)
        stuck = [run for run in runs if run.failed_step]
        if stuck:
            raise LocalError(f"{stuck[0].run_id} gave up at {stuck[0].failed_step}: {stuck[0].failure}")
        return Counter(run.state.value for run in runs)

    def until(self, ready: Callable[[], bool], what: str, *, sweep: bool = False) -> None:
        """Wait, where asked with the regular sweeps that would come meanwhile."""

        def turn() -> bool:
            if ready():
                return True
            if sweep:
                self.stack.invoke("sweep", {"reason": "schedule"})
            return ready()

        self.stack.wait_until(turn, what, timeout_s=self.patience_s, every_s=1.0)

    def lay(self) -> int:
        """Receive and rate every body in memory, and put what that wrote into the stack; returns its rows."""
        from infra.local.laid import IndexedTables, lay
        from roamclear.cdrs import service as cdrs
        from roamclear.facts import service as facts
        from roamclear.kernel.writes import Table
        from tests.support import builders as b

        made, deployed = IndexedTables(), self.ctx
        self.ctx = replace(deployed, db=made)
        self.take_in(self.found(), at_their_time=True)
        received = [row for rows in made.tables[Table.INTAKE].values() for row in rows.values()]
        for row in received:
            if row["sk"] == "ORIGINAL":
                facts.took_in(self.ctx, row)
        cdrs.sweep(self.ctx, b.ISSUER)
        self.ctx = deployed
        return lay(self.stack, made)

    def close(self) -> None:
        """The month close of every contract, moved by the clock."""
        with self.watch.part("start: one execution per contract"):
            self.at(STARTS)
            self.stack.invoke("start_close", {"reason": "schedule"})
            self.until(lambda: self.states()["GRACE"] == self.contracts, "every run waits")
        with self.watch.part("open: members and notice"):
            self.at(OPENS + timedelta(seconds=2))
            self.until(lambda: self.states()["WINDOW"] == self.contracts, "every window is open", sweep=True)
        with self.watch.part("lock, issue, render, send, finish"):
            self.at(CLOSES + timedelta(seconds=62))
            self.until(lambda: self.states()["SENT"] == self.contracts, "every run is sent", sweep=True)

    def slowest(self) -> dict[str, float]:
        """Seconds of the slowest pass through each state."""
        states = self.stack.boto("stepfunctions")
        machine = self.stack.outputs["CloseStateMachineArn"]
        found: dict[str, float] = defaultdict(float)
        for execution in states.list_executions(stateMachineArn=machine)["executions"]:
            pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
            events = [e for page in pages for e in page["events"]]
            entered = [(e["stateEnteredEventDetails"]["name"], e["timestamp"]) for e in events
                       if "stateEnteredEventDetails" in e]  # fmt: skip
            for (name, began), (_, ended) in pairwise(entered):
                found[name] = max(found[name], (ended - began).total_seconds())
        return {name: spent for name, spent in found.items() if not name.startswith("Park")}

    def proved(self) -> tuple[int, int]:
        """(sessions on documents, equations of the proof that do not hold)."""
        from roamclear.billing import proof, store
        from tests.support import builders as b

        documents = store.documents(self.ctx.db, b.ISSUER)
        return sum(d.sessions for d in documents), sum(not e.holds for e in proof.equations(self.ctx, b.ISSUER))


def party(place: int) -> str:
    """The party of a contract: NLAAA, NLAAB …"""
    size = len(_LETTERS)
    return "NL" + _LETTERS[place // size // size % size] + _LETTERS[place // size % size] + _LETTERS[place % size]


def play(scale: Scale, *, laid: bool) -> int:
    """The whole month; 0 when every session is on a document and the proof holds."""
    import roamclear.billing.proof
    import roamclear.cdrs.processing  # noqa: F401 - everything is loaded before the clock of a part runs

    if laid:
        with scale.watch.part("bodies processed in memory and laid"):
            rows = scale.lay()
        print(f"  {rows:,} rows laid")
    else:
        with scale.watch.part("issuer, contracts, EVSEs"):
            evses = scale.found()
        with scale.watch.part("intake: one put per session"):
            scale.take_in(evses)
        with scale.watch.part("stream: checked and rated"):
            scale.until(scale.rated, "every session is rated")
    scale.close()
    billed, broken = scale.proved()
    print("  seconds of the slowest pass through each state:")
    for name, spent in scale.slowest().items():
        print(f"    {name:<32} {spent:8.1f}")
    print("  MB of each function's largest process:")
    for name, peak in sorted(scale.watch.memory_mb.items()):
        print(f"    {name:<32} {peak:8}")
    print(f"  {billed:,} of {scale.sessions:,} sessions on documents, {broken} equation(s) of the proof do not hold")
    return 0 if billed == scale.sessions and not broken else 1


def main() -> int:
    """Start a stack of its own, play the month on it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--contracts", type=int, default=20)
    parser.add_argument("--laid", action="store_true", help="process the bodies in memory, not by the stream")
    parser.add_argument("--patience", type=float, default=3600, help="seconds that each part may take")
    options = parser.parse_args()
    sys.path[:0] = [".", "shared"]
    print(f"{options.sessions:,} sessions over {options.contracts} contracts on the laptop stack")
    watch, over = Watch(), threading.Event()
    stack = LaptopStack("scale", issuer_id="voltwerk", verify=False, enforce_iam=True, say=lambda t: print(f"  {t}"))
    threading.Thread(target=watch.look, args=(stack.folder / "tmp", over), daemon=True).start()
    try:
        stack.stop()
        with watch.part("laptop stack"):
            stack.start()
        return play(Scale(stack, options.sessions, options.contracts, watch, options.patience), laid=options.laid)
    except LocalError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    finally:
        over.set()
        stack.stop()


if __name__ == "__main__":
    sys.exit(main())
