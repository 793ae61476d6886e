"""The system under a plain model: what was sent, what it must cost, and where it may be billed.

The model knows nothing of rows, versions or conditions. It knows bodies, prices as one multiplication, and what people
said; everything else is asked of the system and must agree.
"""

# Longer than 400 lines: what may happen and what must hold then read the same model.

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

from roamclear.audit import service as audit
from roamclear.billing import manifest
from roamclear.billing import proof as billing_proof
from roamclear.billing import service as billing
from roamclear.billing import store as billing_store
from roamclear.billing.model import LOCKED_STATES, Document, Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Original, Receipt, Session
from roamclear.contracts.fees import Fee, FeeKind
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.documents.checks import missing
from roamclear.evses import service as evses
from roamclear.facts import proof as whole_proof
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.ledger import proof as ledger_proof
from roamclear.ledger import service as ledger
from roamclear.reconciliation import importing
from roamclear.reconciliation import proof as cash_proof
from tests.support import builders as b
from tests.support import memory_stage, moto_stack
from tests.support.bank_files import Ntry, Stmt, Tx, camt
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

START = datetime(2026, 10, 1, tzinfo=UTC)
OTHER = "C-BEL"
#: Contract, eMSP party, price per kWh and per session, VAT percent.
CONTRACTS = {b.CONTRACT: (b.EMSP, "0.39", "0.50", 0), OTHER: ("FRBEL", "0.4571", "0.35", 20)}
ASSIGNED, UNASSIGNED = "DE*VWK*E001", "DE*VWK*E002"
KWH = ("20", "12.345", "7.01", "33.3335")
GONE = (Billing.CREDITED, Billing.INVALIDATED)
#: Where what must not be billed may be.
RESTING = (Billing.ON_HOLD, Billing.NOT_RATED, Billing.REJECTED, Billing.EXPIRED, *GONE)


def fault(row: dict[str, Any], error: Exception) -> None:
    """Whatever production would park is a fault of the code here."""
    raise AssertionError(f"{row['pk']} {row['sk']} was parked") from error


#: Fees of the contracts with VAT.
FEES = {"PER_SESSION": "0.10", "PERCENT": "3"}


def price(contract_id: str, kwh: str, agreed: tuple[str, str, str, int] | None = None) -> int:
    """What a session costs in cents: each component rounded half-up once."""
    _, energy, session, _ = agreed or CONTRACTS[contract_id]
    cent = Decimal("0.01")
    parts = ((Decimal(kwh) * Decimal(energy)), Decimal(session))
    return sum(int(p.quantize(cent, ROUND_HALF_UP) * 100) for p in parts)


def end_dispute(ctx: Context, session: Session, how: str) -> None:
    """A side ends the dispute of a session: ``accept``, ``part``, ``reject`` or ``withdraw``."""
    assert session.dispute_id is not None
    agent, number = b.actor(Role.DISPUTE_AGENT), session.dispute_id
    if how == "accept":
        disputes.accept(ctx, agent, b.ISSUER, number)
    elif how == "part":
        disputes.accept(ctx, agent, b.ISSUER, number, accepted=Money(1, "EUR"))
    elif how == "reject":
        disputes.reject(ctx, agent, b.ISSUER, number, answer="our meter is right")
    else:
        disputes.withdraw(ctx, b.emsp_user(session.contract_id or ""), b.ISSUER, number)


@dataclass
class Sent:
    """A body that the system took, and what the model expects of it."""

    ref: str
    number: int
    raw: dict[str, Any]
    contract_id: str | None
    kwh: str
    evse: str
    session_id: str
    sound: bool = True
    credit_of: str | None = None
    lowered: int = 0
    dropped: bool = False

    @property
    def net(self) -> int:
        """Cents, after what the CPO granted."""
        assert self.contract_id is not None
        return price(self.contract_id, self.kwh) - self.lowered


@dataclass
class Execution:
    """A month close as Step Functions runs it: the next step, and the token it waits for."""

    name: str
    payload: dict[str, Any]
    step: str = "PREPARE"
    waits: str | None = None
    parked: int = 0


class World:
    """One stage, its model, and the rules by which both move."""

    def __init__(self, *, on_moto: bool = False) -> None:
        self._stack = ExitStack()
        self.stage: Stage = self._stack.enter_context((moto_stack if on_moto else memory_stage).stage(START))
        self.ctx: Context = self.stage.ctx
        self.sent: dict[str, Sent] = {}
        self.stream: list[dict[str, Any]] = []
        self.executions: dict[str, Execution] = {}
        self.locked: dict[str, dict[str, tuple[Any, ...]]] = {}
        self.papers: dict[str, tuple[Any, ...]] = {}
        self.paid: Counter[str] = Counter()
        self.statements: list[bytes] = []
        self.balance = Decimal("1000.00")
        self.assigned = False
        self.last_number = 0
        self.died = 0
        b.found_issuer(self.ctx)
        for contract_id in CONTRACTS:
            b.found_contract(self.ctx, contract_id, **self.terms_of(contract_id))
        b.found_own_account(self.ctx, evses=(ASSIGNED,))
        evses.register_location(self.ctx, b.ISSUER, b.PARTY, b.location(UNASSIGNED, number=2))

    def terms_of(self, contract_id: str) -> dict[str, Any]:
        """What a contract agrees beside what every contract of the tests does."""
        party, energy, session, vat = CONTRACTS[contract_id]
        changes: dict[str, Any] = {
            "party_ids": (party,),
            "grid": ({"id": "standard", "tariff": b.tariff(energy, session)},),
        }
        if vat:
            changes |= {"unanswered_policy": "BILL", "on_cpo_silence": "REJECT"}
            changes["vat"] = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(vat))
            changes["fees"] = tuple(
                Fee(code=kind, name=kind, kind=FeeKind(kind), price=Decimal(agreed), vat=changes["vat"])
                for kind, agreed in FEES.items()
            )
        return changes

    def close(self) -> None:
        """Take the stage down."""
        self._stack.close()

    # ---- time and death ----------------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        """The one clock."""
        return self.stage.clock.now()

    def tick(self, by: timedelta = timedelta(seconds=1)) -> None:
        """Nothing happens twice at the same instant."""
        self.stage.clock.advance(by)

    def until_gate(self) -> None:
        """To the next gate of a run, or the end of the month."""
        gates = [r.opens_at_utc for r in self.runs() if r.state is RunState.GRACE]
        gates += [
            r.closes_at_utc + billing.LOCK_AFTER
            for r in self.runs()
            if r.state is RunState.WINDOW and r.closes_at_utc is not None
        ]
        month_end = (self.now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=5)
        ahead = [g for g in gates if g > self.now] or [month_end]
        self.stage.clock.set(max(self.now, min(ahead)))

    def fused(self, crash: tuple[int, bool] | None) -> Context:
        """The context of one process, with the moment of its death."""
        self.tick()
        return mortal(self.ctx, Fuse() if crash is None else Fuse(crash[0], crash[1]))

    # ---- intake ------------------------------------------------------------------------------------------------
    def post(self, *, emsp: str, kwh: str, evse: str, like: Sent | None = None) -> Sent:
        """A new CDR of a session that ended five minutes ago; ``like`` gives it a known session id."""
        self.last_number += 1
        number = self.last_number
        self.tick(timedelta(hours=1, minutes=7))
        contract_id = next((c for c, (party, *_) in CONTRACTS.items() if party == emsp), None)
        raw = b.cdr(number, start=self.now - timedelta(hours=1, minutes=5), kwh=kwh, evse=evse, emsp=emsp)
        raw["total_cost"] = {"excl_vat": self._total(contract_id, kwh)}
        if like is not None:
            raw["session_id"] = like.raw["session_id"]
        sound = contract_id is not None and kwh in KWH
        made = Sent(f"{b.PARTY}*{raw['id']}", number, raw, contract_id, kwh, evse, raw["session_id"], sound)
        self._receive(made)
        return made

    def credit(self, original: Sent, suffix: str = "C", wrong: bool = False) -> Sent:
        """A credit CDR of a known one."""
        self.tick()
        total = -original.raw["total_cost"]["excl_vat"] + (1 if wrong else 0)
        raw = original.raw | {
            "id": f"{original.raw['id']}-{suffix}",
            "credit": True,
            "credit_reference_id": original.raw["id"],
            "total_cost": {"excl_vat": total},
        }
        made = Sent(
            f"{b.PARTY}*{raw['id']}", original.number, raw, original.contract_id, original.kwh, original.evse,
            original.session_id, not wrong, original.ref,
        )  # fmt: skip
        self._receive(made)
        return made

    def again(self, known: Sent, *, changed: bool) -> None:
        """The same body again, or another one under its id."""
        raw = dict(reversed(known.raw.items()))
        if changed:
            raw["total_energy"] = Decimal("55.5")
        body = b.body_of(raw, received=self.now)
        expected = Receipt.CONFLICT if changed else Receipt.REPEAT
        assert cdrs.receive(self.ctx, body) is expected
        kept = cdrs.original(self.ctx, b.ISSUER, known.ref)
        assert kept is not None
        assert kept.sha256 == b.body_of(known.raw, received=self.now).sha256
        if not changed:
            self.stream.append(self._record(body))

    def _receive(self, made: Sent) -> None:
        if made.ref in self.sent:
            return
        body = b.body_of(made.raw, received=self.now)
        assert cdrs.receive(self.ctx, body) is Receipt.NEW
        self.sent[made.ref] = made
        self.stream.append(self._record(body))

    @staticmethod
    def _record(body: Original) -> dict[str, Any]:
        return {**body.dump(), "pk": f"{b.ISSUER}#CDR#{body.cdr_ref}", "sk": "ORIGINAL"}

    @staticmethod
    def _total(contract_id: str | None, kwh: str) -> Decimal:
        if contract_id is None:
            return Decimal(kwh) * Decimal("0.39") + Decimal("0.50")
        _, energy, session, _ = CONTRACTS[contract_id]
        return Decimal(kwh) * Decimal(energy) + Decimal(session)

    # ---- machinery ---------------------------------------------------------------------------------------------
    def deliver(self, place: int, crash: tuple[int, bool] | None, *, keep: bool) -> None:
        """A stream record reaches its function; ``keep`` lets it come again later."""
        if not self.stream:
            return
        row = self.stream[place % len(self.stream)]
        ctx = self.fused(crash)
        with survives() as died:
            facts.took_in(ctx, row)
        if not died and not keep:
            self.stream.remove(row)
        self.died += len(died)

    def lose_stream(self) -> None:
        """The stream drops everything (retention, outage); only the sweep is left."""
        self.stream.clear()

    def sweep(self, crash: tuple[int, bool] | None = None) -> bool:
        """The five-minute sweep; False when it died."""
        self.tick(timedelta(minutes=6))
        ctx = self.fused(crash)
        with survives() as died:
            facts.sweep(ctx, fault)
        self.died += len(died)
        return not died

    def nightly(self, crash: tuple[int, bool] | None = None) -> None:
        """The nightly retry."""
        ctx = self.fused(crash)
        with survives() as died:
            facts.nightly(ctx, fault)
        self.died += len(died)

    def assign(self) -> None:
        """The unassigned EVSE gets its account, since long ago."""
        if self.assigned:
            return
        self.tick()
        asked = evses.assign(
            self.ctx, b.actor(Role.FINANCE), b.ISSUER, (UNASSIGNED,), "OWN-1",
            effective_from=datetime(2026, 9, 1, tzinfo=UTC),
        )  # fmt: skip
        if asked.state == "PENDING":
            evses.approve_assignment(self.ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, asked.request_id)
        self.assigned = True

    # ---- the month close ---------------------------------------------------------------------------------------
    def start_due(self, crash: tuple[int, bool] | None = None) -> None:
        """The hourly schedule."""
        ctx = self.fused(crash)
        with survives() as died:
            billing.start_due(ctx)
        self.died += len(died)
        for name, payload in self.stage.workflows.started.items():
            self.executions.setdefault(name, Execution(name, payload))

    def step(self, place: int, crash: tuple[int, bool] | None = None) -> bool:
        """Let one execution try its next step once; True when it moved."""
        alive = [e for e in self.executions.values() if e.step != "DONE"]
        if not alive:
            return False
        execution = alive[place % len(alive)]
        if execution.waits is not None:
            if not any(token == execution.waits for token, _ in self.stage.workflows.completed):
                return False
            execution.waits = None
        ctx = self.fused(crash)
        following = execution.step
        with survives() as died:
            following = self._do(ctx, execution)
        self.died += len(died)
        moved = following != execution.step or execution.waits is not None
        execution.step = following
        return moved

    def _do(self, ctx: Context, execution: Execution) -> str:
        request = RunRequest.model_validate(execution.payload)
        issuer_id, run_id = request.issuer_id, request.run_id
        if execution.step == "PREPARE":
            billing.prepare(ctx, request)
            return "PARK-OPENS"
        if execution.step.startswith("PARK-"):
            gate = execution.step.removeprefix("PARK-")
            token = f"{execution.name}#{gate}#{execution.parked}"
            billing.park(ctx, issuer_id, run_id, gate, token)
            execution.parked += 1
            execution.waits = token
            return {"OPENS": "OPEN", "CLOSES": "LOCK"}[gate]
        if execution.step == "OPEN":
            run = billing.open_window(ctx, issuer_id, run_id)
            return "DONE" if run.state is RunState.SETTLED else "PARK-CLOSES"
        if execution.step == "LOCK":
            outcome = billing.lock_outcome(ctx, issuer_id, run_id)["outcome"]
            return {"NOT_YET": "PARK-CLOSES", "NOTHING_TO_BILL": "DONE", "LOCKED": "ISSUE"}[outcome]
        if execution.step == "ISSUE":
            run = billing.issue(ctx, issuer_id, run_id, missing)
            return "DONE" if run.state is RunState.SETTLED else "FINISH"
        billing.finish(ctx, issuer_id, run_id)
        return "DONE"

    def runs(self) -> list[Run]:
        """All runs of the issuer."""
        return billing_store.all_runs(self.ctx.db, b.ISSUER)

    def documents(self) -> list[Document]:
        """All documents of the issuer."""
        return billing_store.documents(self.ctx.db, b.ISSUER)

    # ---- money in ----------------------------------------------------------------------------------------------
    def pay(self, place: int, half: bool, crash: tuple[int, bool] | None = None) -> None:
        """The bank drops a statement with one payment by RF reference; its import may die and is then repeated."""
        owed = [d for d in self.documents() if d.type_code == "380" and d.gross.amount_minor > self.paid[d.number]]
        if not owed:
            return
        document = owed[place % len(owed)]
        rest = document.gross.amount_minor - self.paid[document.number]
        cents = rest // 2 if half and rest > 1 else rest
        amount = f"{Decimal(cents).scaleb(-2):f}"
        serial = len(self.statements) + 1
        entry = Ntry(amount, ref=f"B{serial}", txs=[Tx(amount, reference=document.reference)])
        self.statements.append(
            camt(Stmt([entry], id=f"S{serial}", number=str(serial), opening=f"{self.balance:f}", day="2026-11-20"))
        )
        self.balance += Decimal(amount)
        self.paid[document.number] += cents
        with survives() as died:
            self._drop(self.fused(crash), serial)
        self.died += len(died)
        self._drop(self.fused(None), serial)

    def bank_again(self, place: int) -> None:
        """A statement that was imported before comes once more under another name."""
        if self.statements:
            serial = place % len(self.statements) + 1
            self._drop(self.fused(None), serial, name=f"copy-{serial}.xml")

    def _drop(self, ctx: Context, serial: int, name: str | None = None) -> None:
        key = name or f"{serial}.xml"
        self.ctx.objects.put("inbox", key, self.statements[serial - 1], "application/xml")
        importing.import_inbox(ctx, [key])

    # ---- what must hold ----------------------------------------------------------------------------------------
    def sessions(self) -> dict[str, Session]:
        """What the system knows of every body."""
        return cdrs.sessions(self.ctx, b.ISSUER, self.sent)

    def hear(self, known: dict[str, Session]) -> None:
        """What was granted lowers what the model expects."""
        for ref, session in known.items():
            if session.dispute_id is None:
                continue
            told = disputes.dispute(self.ctx, b.actor(Role.VIEWER), b.ISSUER, session.dispute_id)
            sent = self.sent[ref]
            assert told.cdr_ref == ref
            if told.accepted is None:
                assert told.state not in ("ACCEPTED", "PARTIAL")
                continue
            assert told.accepted <= told.claimed
            sent.lowered = told.accepted.amount_minor
            if sent.net == 0:
                sent.dropped = True
                assert session.billing in GONE, session

    def check(self) -> None:
        """Everything that must hold after every step."""
        known, runs, documents = self.sessions(), self.runs(), self.documents()
        by_id = {r.run_id: r for r in runs}
        self.hear(known)
        self._check_states(known, by_id)
        self._check_locks(known, runs)
        self._check_documents(runs, documents)
        for equation in [
            *billing_proof.equations(self.ctx, b.ISSUER),
            *cash_proof.equations(self.ctx, b.ISSUER),
            *ledger_proof.balanced(ledger.entries(self.ctx, b.ISSUER, START)),
        ]:
            assert equation.holds, equation

    def _check_states(self, known: dict[str, Session], runs: dict[str, Run]) -> None:
        owners: dict[str, list[str]] = defaultdict(list)
        for ref, session in known.items():
            sent = self.sent[ref]
            if not sent.sound:
                assert session.billing in RESTING, session
            if session.run_id is not None:
                assert session.run_id in runs
                assert session.billing in (Billing.IN_WINDOW, Billing.LOCKED, Billing.INVOICED), session
            elif session.billing in (Billing.IN_WINDOW, Billing.LOCKED):
                raise AssertionError(f"{ref} is {session.billing} in no run")
            if session.dispute is DisputeState.OPEN and session.billing is Billing.VERIFIED:
                raise AssertionError(f"{ref} is disputed and may be billed")
            if session.billing in (Billing.VERIFIED, Billing.IN_WINDOW, Billing.LOCKED) and not sent.credit_of:
                owners[sent.session_id].append(ref)
                assert session.contract_id == sent.contract_id
                assert session.net is not None
                assert session.net.amount_minor == sent.net, (session, sent)
        for session_id, refs in owners.items():
            assert len(refs) == 1, f"{session_id} would be billed as {refs}"

    def _check_locks(self, known: dict[str, Session], runs: list[Run]) -> None:
        seen: dict[str, str] = {}
        for run in runs:
            if run.state not in LOCKED_STATES or run.state is RunState.LOCKING or run.manifest is None:
                continue
            if run.run_id not in self.locked:
                self.locked[run.run_id] = self._manifest(run)
            for ref, frozen in self.locked[run.run_id].items():
                assert ref not in seen, f"{ref} is billed by {seen[ref]} and {run.run_id}"
                seen[ref] = run.run_id
                now = known[ref]
                assert now.net is not None
                assert (now.sha256, now.rating_version, now.net.amount_minor, now.run_id) == (*frozen, run.run_id)
                assert now.billing in (Billing.LOCKED, Billing.INVOICED)
                if self.sent[ref].credit_of:
                    original = known[self.sent[ref].credit_of or ""]
                    assert original.net is not None
                    assert now.net == -original.net
        for ref, session in known.items():
            if session.run_id in self.locked:
                assert ref in self.locked[session.run_id], f"{ref} joined {session.run_id} after its lock"

    def _manifest(self, run: Run) -> dict[str, tuple[Any, ...]]:
        kept = self.ctx.objects.get("archive", f"{run.issuer_id}/locks/{run.run_id}.json")
        assert kept is not None
        made = manifest.read(kept)
        bodies = cdrs.originals(self.ctx, b.ISSUER, [m.cdr_ref for m in made.members])
        assert manifest.verify(made, [zlib.decompress(body.raw) for body in bodies.values()]).holds
        assert made.root == run.manifest
        assert len(made.members) == run.locked
        assert run.locked_net is not None
        assert sum(m.net_minor for m in made.members) == run.locked_net.amount_minor
        return {m.cdr_ref: (m.sha256, m.rating_version, m.net_minor) for m in made.members}

    def _check_documents(self, runs: list[Run], documents: list[Document]) -> None:
        for document in documents:
            fixed = (document.net, document.tax, document.gross, document.issue_date, document.run_id, document.series)
            assert self.papers.setdefault(document.number, fixed) == fixed
            expected = document.gross.amount_minor - self.paid[document.number]
            assert document.open_amount.amount_minor == expected, document
            run = next(r for r in runs if r.run_id == document.run_id)
            vat = CONTRACTS[document.contract_id][3]
            tax = int((Decimal(document.net.amount_minor) * vat / 100).quantize(Decimal(1), ROUND_HALF_UP))
            assert document.tax.amount_minor == tax
            sessions = sum(net for _, _, net in self.locked[run.run_id].values())
            assert document.net.amount_minor == sessions + self._fees(run)
        assert set(self.papers) == {d.number for d in documents}, "a document is gone"
        assert len({d.run_id for d in documents}) == len(documents), "a run has two documents"
        series: dict[str, list[Document]] = defaultdict(list)
        for document in sorted(documents, key=lambda d: d.number):
            series[document.series].append(document)
        for members in series.values():
            assert [int(d.number.rsplit("-", 1)[1]) for d in members] == list(range(1, len(members) + 1))
            assert all(a.issue_date <= c.issue_date for a, c in pairwise(members))

    def _fees(self, run: Run) -> int:
        """The model's own fees of a locked run: a price per session, which a credit takes off again, and a share."""
        if not CONTRACTS[run.contract_id][3]:
            return 0
        members = self.locked[run.run_id]
        number = sum(-1 if self.sent[ref].credit_of else 1 for ref in members)
        net = sum(net for _, _, net in members.values())
        share = (Decimal(net) * Decimal(FEES["PERCENT"]) / 100).quantize(Decimal(1), ROUND_HALF_UP)
        return number * int(Decimal(FEES["PER_SESSION"]) * 100) + int(share)

    # ---- the end -----------------------------------------------------------------------------------------------
    def settle_all(self) -> None:
        """Months pass without another crash: every step, sweep and silence takes its course."""
        self.assign()
        for _ in range(3):
            for _ in range(3):
                self.sweep()
                self.nightly()
            self._until_quiet()
            self.tick(timedelta(days=32))

    def _until_quiet(self) -> None:
        self.start_due()
        for _ in range(14):
            self.tick(timedelta(days=1, hours=3))
            self.sweep()
            moved = True
            while moved:
                turns = [self.step(n) for n in range(len(self.executions))]
                moved = any(turns)
            if not any(r.state is not RunState.SENT and r.state is not RunState.SETTLED for r in self.runs()):
                break
        self.nightly()

    def check_end(self) -> None:
        """Nothing is lost, nothing is stuck, each session is billed once or rests for the reason it must."""
        self.check()
        known = self.sessions()
        assert set(known) == set(self.sent), "a body has no state"
        broken = [e for e in whole_proof.prove(self.ctx, b.ISSUER) if not e.holds]
        assert broken == []
        assert all(r.state in (RunState.SENT, RunState.SETTLED) for r in self.runs()), self.runs()
        billed = {ref for members in self.locked.values() for ref in members}
        groups: dict[str, list[Sent]] = defaultdict(list)
        for ref, sent in self.sent.items():
            session = known[ref]
            if ref in billed:
                continue
            assert session.billing not in (Billing.VERIFIED, Billing.IN_WINDOW, Billing.LOCKED), f"{session} is stuck"
            if sent.credit_of is None and sent.sound:
                groups[sent.session_id].append(sent)
        for session_id, waiting in groups.items():
            everyone = [s for s in self.sent.values() if s.session_id == session_id and s.sound]
            if any(self._expired(known[s.ref]) for s in everyone):
                continue
            if len(everyone) == 1 and not everyone[0].dropped:
                raise AssertionError(f"{known[waiting[0].ref]} was never billed")
            if not any(s.dropped or s.ref in billed or known[s.ref].billing in GONE for s in everyone):
                raise AssertionError(f"none of {everyone} was ever billed")
        for ref in self.sent:
            if known[ref].dispute_id:
                found = disputes.dispute(self.ctx, b.actor(Role.VIEWER), b.ISSUER, known[ref].dispute_id or "")
                assert found.state != "OPEN", found
                assert known[ref].dispute.value == found.state.value, (known[ref], found)
                assert audit.broken_link(self.ctx, b.ISSUER, "DISPUTE", found.dispute_id) is None
        self._check_totals(billed)
        for run in self.runs():
            assert audit.broken_link(self.ctx, b.ISSUER, "RUN", run.run_id) is None

    def _expired(self, session: Session) -> bool:
        """Whether a session waited for its assignment longer than its contract allows, which was told."""
        if session.billing is not Billing.EXPIRED:
            return False
        waited = self.now - session.received_at_utc
        assert waited > timedelta(days=90), session
        told = journal.find(self.ctx, b.ISSUER, ExceptionType.TOO_LATE, f"{session.cdr_ref}#EXPIRED")
        assert told is not None, session
        return True

    def _check_totals(self, billed: set[str]) -> None:
        """The model's own sum over what was billed is the sum of all documents."""
        expected: Counter[str] = Counter()
        for ref in billed:
            sent = self.sent[ref]
            assert sent.contract_id is not None
            original = self.sent[sent.credit_of] if sent.credit_of else sent
            expected[sent.contract_id] += -original.net if sent.credit_of else original.net
        for run in self.runs():
            if run.run_id in self.locked:
                expected[run.contract_id] += self._fees(run)
        found: Counter[str] = Counter()
        for document in self.documents():
            found[document.contract_id] += document.net.amount_minor
        assert +expected == +found, (expected, found)
