"""A year of corrections beside the world of a month: what may happen to a session after it was billed.

The model knows what a session costs under the newest agreement and what was given back by name; everything that was
issued must come to that, whatever happened in between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from roamclear.billing import corrections, parts
from roamclear.billing import service as billing
from roamclear.billing import store as billing_store
from roamclear.billing.corrections import Wanted
from roamclear.billing.model import Correction, CorrectionState, Document, RunState
from roamclear.cdrs import backdating
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.jobs import service as jobs
from roamclear.cdrs.jobs import store as job_store
from roamclear.cdrs.jobs.model import JobState
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.cdrs.selection import Filter
from roamclear.contracts import backdated
from roamclear.contracts import service as contracts
from roamclear.contracts.proposals import Seen
from roamclear.disputes import service as disputes
from roamclear.disputes import talk
from roamclear.disputes.model import PENDING, Claim, Reason
from roamclear.documents.checks import missing
from roamclear.evses import service as evses
from roamclear.facts import proof as whole_proof
from roamclear.facts import service as facts
from roamclear.facts import store as facts_store
from roamclear.identity.model import Role
from roamclear.kernel.errors import Busy, Conflict, InvalidInput, NotFound
from roamclear.kernel.money import Money, total
from roamclear.kernel.writes import Table
from roamclear.packages import lists
from roamclear.payouts import service as payouts
from tests.stateful.world import CONTRACTS, GONE, OTHER, World, end_dispute, price
from tests.support import builders as b
from tests.support import payees
from tests.support.bank_files import Ntry, Stmt, Tx, camt
from tests.support.crashing import survives

PARTNER = "DE*VWK*E777"
#: Contract -> what it agrees on top of the world's.
CHANGES: dict[str, dict[str, Any]] = {
    b.CONTRACT: {"credit_after_invoice": "CREDIT_NOTE", "invoice_undisputed_part": True},
    OTHER: {"min_invoice_minor": 1500, "min_invoice_periods": 2},
}
#: The prices per kWh that may be agreed for past days.
PRICES = ("0.31", "0.39", "0.4571", "0.5")
DONE = (RunState.SENT, RunState.SETTLED, RunState.CARRIED)
WAITS = (Billing.VERIFIED, Billing.IN_WINDOW, Billing.LOCKED)
Crash = tuple[int, bool] | None


class Year(World):
    """The world with a partner who is paid, a smallest invoice, and everything that corrects."""

    def __init__(self) -> None:
        super().__init__()
        self.energy = {name: energy for name, (_, energy, _, _) in CONTRACTS.items()}
        self.agreed = {name: {energy} for name, energy in self.energy.items()}
        self.looked: set[str] = set()
        evses.create_account(self.ctx, b.actor(Role.FINANCE), b.ISSUER, "SUB-1", "Partner", payees.terms())
        evses.approve_account(self.ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, "SUB-1")
        evses.register_location(self.ctx, b.ISSUER, b.PARTY, b.location(PARTNER, number=7))
        asked = evses.assign(self.ctx, b.actor(Role.FINANCE), b.ISSUER, [PARTNER], "SUB-1")
        evses.approve_assignment(self.ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, asked.request_id)

    def terms_of(self, contract_id: str) -> dict[str, Any]:
        """The world's terms and what this one adds."""
        return super().terms_of(contract_id) | CHANGES[contract_id]

    # ---- machinery ---------------------------------------------------------------------------------------------
    def tell(self, crash: Crash = None) -> None:
        """Every pending fact reaches its consumer; the one that dies comes again."""
        ctx = self.fused(crash)
        with survives():
            for row in facts_store.pending(self.ctx.db, b.ISSUER, self.now + timedelta(seconds=1)):
                facts.answer(ctx, row)
        while rows := list(facts_store.pending(self.ctx.db, b.ISSUER, self.now + timedelta(seconds=1))):
            for row in rows:
                facts.answer(self.ctx, row)

    def go_on(self, crash: Crash = None) -> None:
        """Schedule, sweep, and a step of each state machine, the first of which may die."""
        self.start_due()
        self.sweep(crash)
        for place in range(len(self.executions)):
            self.step(place, crash if place == 0 else None)

    # ---- corrections -------------------------------------------------------------------------------------------
    def correct(self, place: int, kind: str, crash: Crash) -> None:
        """One person prepares a correction of some invoice, another approves it; either may die on the way."""
        invoices = [d for d in self.documents() if d.type_code != "381"]
        if not invoices:
            return
        header = invoices[place % len(invoices)]
        wanted: dict[str, Any] = {"number": header.number, "reason": f"agreed {kind} {self.now}"}
        if kind == "CDRS":
            run = billing.run(self.ctx, b.ISSUER, header.run_id)
            rows = list(parts.documents(self.ctx, run)[header.place].rows)
            if not rows:
                return
            wanted["cdr_refs"] = (rows[place % len(rows)][0].cdr_ref,)
        elif kind == "AMOUNT":
            wanted["amount"] = Money(1 + 37 * place % 700, "EUR")
        else:
            wanted |= {"bill_again": kind != "CANCEL", "at_once": kind == "AT_ONCE"}
        key = f"{kind}-{self.now}"
        for ctx in (self.fused(crash), self.ctx):
            with survives():
                try:
                    made = corrections.prepare(ctx, b.actor(Role.FINANCE), b.ISSUER, Wanted(**wanted), key)
                    corrections.approve(ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, made.correction_id)
                except (Conflict, NotFound, Busy):
                    return  # nothing left, cancelled, or another one is under way

    def backdate(self, contract_id: str, kwh: str, crash: Crash) -> None:
        """A price since the first day, looked at and approved by two."""
        terms = contracts.terms_now(self.ctx, b.ISSUER, contract_id)
        grid = ({"id": "standard", "tariff": b.tariff(kwh, CONTRACTS[contract_id][2])},)
        made = backdated.propose(
            self.ctx, b.actor(Role.FINANCE), b.ISSUER, contract_id, valid_from=date(2026, 10, 1),
            terms=terms.model_copy(update={"grid": grid}), reason=f"agreed {kwh} {self.now}",
        )  # fmt: skip
        viewer = b.actor(Role.FINANCE_APPROVER, name="approver-1")
        shown = backdating.preview(self.ctx, viewer, b.ISSUER, contract_id, made.proposal_id)[1]
        assert shown is not None
        seen = Seen(as_of_utc=shown.as_of_utc, digest=shown.digest)
        for name in ("approver-1", "approver-2"):
            checker = b.actor(Role.FINANCE_APPROVER, name=name)
            for ctx in (self.fused(crash if name == "approver-2" else None), self.ctx):
                with survives():
                    backdating.approve(ctx, checker, b.ISSUER, contract_id, made.proposal_id, seen)
        self.energy[contract_id] = kwh
        self.agreed[contract_id].add(kwh)

    def rerate(self, contract_id: str, crash: Crash) -> None:
        """Everything of a contract is priced again by a job."""
        wanted = Filter(contract_id=contract_id)
        for ctx in (self.fused(crash), self.ctx):
            with survives():
                name = f"J-{len(self.sent)}-{contract_id}"
                jobs.order(ctx, b.actor(Role.FINANCE), b.ISSUER, name, wanted, "looked at again")

    # ---- disputes ----------------------------------------------------------------------------------------------
    def dispute(self, place: int, part: bool, crash: Crash) -> None:
        """An eMSP disputes a session of its window, whichever it is."""
        members = [s for s in self.rows().values() if s.billing is Billing.IN_WINDOW and s.dispute is DisputeState.NONE]
        if not members:
            return
        session = members[place % len(members)]
        claim = Claim(cdr_ref=session.cdr_ref, reason=Reason.FRAUD, claimed=Money(2, "EUR") if part else None)
        with survives():
            try:
                user = b.emsp_user(session.contract_id or "")
                disputes.file(self.fused(crash), user, b.ISSUER, claim)
            except (Conflict, InvalidInput, Busy):
                pass  # a row of less than nothing, or the window just closed

    def answer(self, place: int, how: str, crash: Crash) -> None:
        """Somebody moves a dispute on."""
        states = (DisputeState.REJECTED,) if how == "escalate" else (DisputeState.OPEN,)
        disputed = [s for s in self.rows().values() if s.dispute in states and s.dispute_id]
        if not disputed:
            return
        session = disputed[place % len(disputed)]
        ctx = self.fused(crash)
        with survives():
            try:
                if how == "escalate":
                    user, number = b.emsp_user(session.contract_id or ""), session.dispute_id or ""
                    talk.escalate(ctx, user, b.ISSUER, number, contacts=("Head of sales",), text="still wrong")
                else:
                    end_dispute(ctx, session, how)
            except (Conflict, Busy, InvalidInput):
                pass  # locked, escalated before, or taken back by a credit

    # ---- money -------------------------------------------------------------------------------------------------
    def settle_invoice(self, place: int, half: bool, crash: Crash) -> None:
        """The bank drops a statement with what is open of some invoice, or half of it."""
        owed = [d for d in self.documents() if d.open_amount.amount_minor > 1]
        if not owed:
            return
        document = owed[place % len(owed)]
        cents = document.open_amount.amount_minor // (2 if half else 1)
        amount = f"{Decimal(cents).scaleb(-2):f}"
        serial = len(self.statements) + 1
        entry = Ntry(amount, ref=f"B{serial}", txs=[Tx(amount, reference=document.reference)])
        day = f"{self.now:%Y-%m-%d}"
        self.statements.append(
            camt(Stmt([entry], id=f"S{serial}", number=str(serial), opening=f"{self.balance:f}", day=day))
        )
        self.balance += Decimal(amount)
        with survives():
            self._drop(self.fused(crash), serial)
        self._drop(self.fused(None), serial)

    def pay_out(self, crash: Crash) -> None:
        """Statements of what accrued."""
        for ctx in (self.fused(crash), self.ctx):
            with survives():
                payouts.close_cycle(ctx, b.actor(Role.FINANCE), b.ISSUER, self.now)

    # ---- what must hold ----------------------------------------------------------------------------------------
    def rows(self) -> dict[str, Session]:
        """Every session and every row of ours."""
        kept = self.stage.tables.tables[Table.CLEARING].values()  # type: ignore[attr-defined]
        found = [row["pk"].split("#CDR#", 1)[1] for part in kept for row in part.values() if row["sk"] == "SESSION"]
        return cdrs.sessions(self.ctx, b.ISSUER, found)

    def roots(self, rows: dict[str, Session]) -> dict[str, list[Session]]:
        """Rows by the session that they bill or correct."""
        found: dict[str, list[Session]] = defaultdict(list)
        for row in rows.values():
            at = row
            while (before := at.origin or at.credit_of) and before in rows and before != at.cdr_ref:
                at = rows[before]
            found[at.cdr_ref].append(row)
        return found

    def check(self) -> None:
        """Everything that must hold after every step."""
        rows, documents = self.rows(), self.documents()
        placed = self._placed(documents)
        self._check_papers(documents)
        for session_id, refs in self._owners(rows).items():
            assert len(refs) == 1, f"{session_id} would be billed as {refs}"
        for root, members in self.roots(rows).items():
            billed = sum(m.net.amount_minor for m in members if m.cdr_ref in placed and m.net)
            # A cancellation leaves to the next run what a credit that waits for it takes off.
            waits = [m.net.amount_minor for m in members if m.cdr_ref not in placed and m.billing in WAITS and m.net]
            billed += sum(min(0, minor) for minor in waits)
            assert billed <= self._most(root), (root, billed, [(m.cdr_ref, m.net, m.billing) for m in members])
        waiting = list(facts_store.pending(self.ctx.db, b.ISSUER, self.now + timedelta(seconds=1)))
        told = [part for part in whole_proof.PARTS if not waiting or "payouts" not in part.__module__]
        for equation in whole_proof.equations(self.ctx, b.ISSUER, tuple(told)):
            assert equation.holds or (equation.name.startswith("bodies") and self.stream), equation

    def _placed(self, documents: list[Document]) -> dict[str, str]:
        """Which document bills which row; the rows and fees of a document, and its list, are its net."""
        placed: dict[str, str] = {}
        for header in documents:
            run = billing.run(self.ctx, b.ISSUER, header.run_id)
            part = parts.documents(self.ctx, run)[header.place]
            for session, _, _ in part.rows:
                assert session.cdr_ref not in placed, f"{session.cdr_ref} stands on two documents"
                placed[session.cdr_ref] = header.number
            if header.number in self.looked:
                continue
            drawn = [row for _, row in lists.drawn(self.ctx, run, part.rows, None, "GRID")]
            listed = total([*(row.net for row in drawn), *(fee.net for fee in part.fees)], "EUR")
            assert listed == header.net, (header, listed)
            model = billing.document_model(self.ctx, header)
            assert missing(model) == [], header.number
            sign = -1 if header.type_code == "381" else 1
            assert (model.totals.net.amount_minor * sign) == header.net.amount_minor
            self.looked.add(header.number)
        return placed

    def _check_papers(self, documents: list[Document]) -> None:
        for document in documents:
            fixed = (document.net, document.tax, document.gross, document.issue_date, document.run_id, document.series)
            assert self.papers.setdefault(document.number, fixed) == fixed
            open_, gross = document.open_amount.amount_minor, document.gross.amount_minor
            assert min(0, gross) <= open_ <= max(0, gross), document
            assert (gross < 0) == (document.type_code == "381") or not gross, document
        assert set(self.papers) == {d.number for d in documents}, "a document is gone"

    def _owners(self, rows: dict[str, Session]) -> dict[str, list[str]]:
        """Which rows bill a session: none, or one beside those that were credited again."""
        found: dict[str, list[str]] = defaultdict(list)
        for row in rows.values():
            sent = self.sent.get(row.cdr_ref)
            if sent is not None and not sent.credit_of and row.billing in WAITS:
                found[sent.session_id].append(row.cdr_ref)
        return found

    def _most(self, root: str) -> int:
        sent = self.sent[root]
        if sent.contract_id is None:
            return 0
        return max(self._price(sent.contract_id, kwh, sent.kwh) for kwh in self.agreed[sent.contract_id])

    @staticmethod
    def _price(contract_id: str, energy: str, kwh: str) -> int:
        party, _, session, vat = CONTRACTS[contract_id]
        return price(contract_id, kwh, (party, energy, session, vat))

    # ---- the end -----------------------------------------------------------------------------------------------
    def settle_all(self) -> None:
        """Months pass in peace, until every session that waits for a run found one and every run is over."""
        self.assign()
        for turn in range(40):
            if turn % 3 == 0:
                self.nightly()
            if turn >= 9 and all(r.state in DONE for r in self.runs()):
                break
            self.until_gate()
            self._quiet()
        self._quiet()

    def _quiet(self) -> None:
        self.sweep()
        moved = True
        while moved:
            self.tell()
            self.start_due()
            turns = [self.step(n) for n in range(len(self.executions))]
            moved = any(turns)
        self.tell()

    def check_end(self) -> None:
        """Nothing is stuck, and what all documents say of a session is what it costs."""
        self.tell()
        self.check()
        broken = [e for e in whole_proof.prove(self.ctx, b.ISSUER) if not e.holds]
        assert broken == []
        assert all(r.state in DONE for r in self.runs()), [(r.run_id, r.state) for r in self.runs()]
        for made in self._corrections():
            assert made.state in (CorrectionState.ISSUED, CorrectionState.PREPARED), made
        assert all(d.correcting is None for d in self.documents())
        assert all(job.state is JobState.DONE for job in job_store.jobs(self.ctx.db, b.ISSUER))
        rows = self.rows()
        placed = self._placed(self.documents())
        waiting = {r.run_id for r in self.runs() if r.state is RunState.CARRIED}
        # Corrections that cancel out in every line make no document; that nothing is missing the proof shows.
        waiting |= {r.run_id for r in self.runs() if r.state is RunState.SETTLED and r.locked and not r.numbers}
        for root, members in self.roots(rows).items():
            self._check_root(root, members, placed, waiting)

    def _withheld(self, members: list[Session]) -> int | None:
        """What a session comes to whose lock withheld a part: that part is billed but for what was granted of it."""
        for member in members:
            if member.withheld is not None and member.net is not None:
                answered = disputes.dispute(self.ctx, b.actor(Role.VIEWER), b.ISSUER, member.dispute_id or "")
                assert answered.state not in PENDING, answered
                granted = answered.accepted.amount_minor if answered.accepted else 0
                return member.net.amount_minor + member.withheld.amount_minor - granted
        return None

    def _corrections(self) -> list[Correction]:
        return billing_store.corrections(self.ctx.db, b.ISSUER)

    def _check_root(self, root: str, members: list[Session], placed: dict[str, str], waiting: set[str]) -> None:
        sent, told = self.sent[root], [(m.cdr_ref, m.net, m.billing, m.adjustment, m.dispute) for m in members]
        counted = [m for m in members if m.cdr_ref in placed or m.run_id in waiting]
        stuck = [m for m in members if m.billing in WAITS and m not in counted]
        assert not stuck, told
        found = sum(m.net.amount_minor for m in counted if m.net)
        assert 0 <= found <= self._most(root), told
        credited = any(m.cdr_ref in self.sent and m.credit_of and m.billing in (*WAITS, *GONE) for m in members)
        if credited and sent.sound:
            assert found == 0, told
        kinds = Counter(m.adjustment for m in members if m.adjustment)
        if (withheld := self._withheld(members)) is not None and kinds.keys() <= {"WITHHELD"} and not credited:
            assert found == withheld, told
        given = credited or any(m.dispute is not DisputeState.NONE for m in members)
        given |= (
            bool(kinds.keys() - {"RETROACTIVE", "CANCEL", "BILLED_AGAIN"}) or kinds["CANCEL"] != kinds["BILLED_AGAIN"]
        )
        owner = any(m.cdr_ref == root and m.billing in WAITS for m in members)
        if owner and not given and sent.sound and sent.contract_id:
            assert found == self._price(sent.contract_id, self.energy[sent.contract_id], sent.kwh), told
