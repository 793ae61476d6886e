"""From a locked run to numbered documents (rules.md 7).

All checks and a render with a placeholder of equal length come before the number is taken; the number is taken in the
transaction that writes the header, the ledger entry, the run's state and the audit entry.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NoReturn

from roamclear.audit import service as audit
from roamclear.billing import (
    carry,
    chain,
    drafts,
    national_vat,
    papers,
    parts,
    recipients,
    rules,
    self_billing,
    store,
    vat_reasons,
    vat_rest,
    vat_standing,
)
from roamclear.billing.charges import fees_net
from roamclear.billing.model import Counter, Document, Run, RunState
from roamclear.billing.parts import Part
from roamclear.billing.sums import Sums
from roamclear.contracts import service as contracts
from roamclear.contracts.model import ContractVersion, Terms
from roamclear.contracts.rules import due_date
from roamclear.contracts.vat import Standing
from roamclear.documents.model import InvoiceDocument
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, Conflict, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.retry import TimeLeft, always
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Action, Put, Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, Line, credit, debit
from roamclear.mode import service as mode
from roamclear.retention import service as retention

_TRIES = 12
#: Renders a document once with its placeholder and returns what forbids issuing it, by name.
Proof = Callable[[InvoiceDocument], list[str]]


def issue(ctx: Context, issuer_id: str, run_id: str, proof: Proof, time_left: TimeLeft = always) -> Run:
    """Number and post the documents of a locked run; the same run again returns the same documents.

    Where the time runs out the run comes back FINALISING, and the next call goes on where this one stopped. A run
    without sessions, or with nothing to pay and no VAT, settles without a document. Category O never shares a document
    with other categories (rules.md 7).

    Raises:
        Conflict: a check forbids the document; the journal names the fields.
    """
    run = _run(ctx, issuer_id, run_id)
    if run.state not in (RunState.LOCKED, RunState.FINALISING):
        return run
    issuer = identity.issuer(ctx, issuer_id)
    drafts.require_approved(ctx, run)
    # Prices stay as they were locked; who stands on the document is decided now.
    terms = recipients.addressed(_terms(ctx, run), recipients.of(ctx, run))
    run = carry.settle(ctx, run)
    if run.state is not RunState.FINALISING:
        return run
    found = parts.documents_within(ctx, run, time_left)
    if found is None:
        return run
    documents, left_out = found
    numbers: list[str] = []
    worked = False
    for place, part in enumerate(documents):
        known = store.document_of_run(ctx.db, run.issuer_id, run.run_id, place)
        if known is None and worked and not time_left():
            return run
        worked = worked or known is None
        numbers.append(known or _issue_part(ctx, run, issuer, terms, place, part, left_out, proof))
    _finish(ctx, run, tuple(numbers))
    reason = "the document was issued"
    journal.resolve(ctx, issuer_id, ExceptionType.EINVOICE_INVALID, run_id, by="system:close", reason=reason)
    return _run(ctx, issuer_id, run_id)


def _terms(ctx: Context, run: Run) -> ContractVersion:
    """The version that names the parties: today's (decision 0019); a credit note goes to whom its invoice went."""
    is_credit = run.proforma is not None and run.proforma.amount_minor < 0
    corrected = store.document(ctx.db, run.issuer_id, run.corrects) if run.corrects and is_credit else None
    if corrected is not None and corrected.terms_version is not None:
        return contracts.version(ctx, run.issuer_id, run.contract_id, corrected.terms_version)
    return contracts.terms_at(ctx, run.issuer_id, run.contract_id, local_date(ctx.now(), run.zone))


def _issue_part(
    ctx: Context,
    run: Run,
    issuer: Issuer,
    terms: ContractVersion,
    place: int,
    part: Part,
    left_out: int,
    proof: Proof,
) -> str:
    """One document: checked with a placeholder, kept as a model, then numbered."""
    key = f"{run.issuer_id}/{run.run_id}/{place}"
    type_code = _type_of(run, part, terms.terms)
    today = local_date(ctx.now(), run.zone)
    draft = papers.invoice(
        run,
        issuer,
        terms,
        part.sums.lines,
        type_code=type_code,
        issue_date=today,
        reasons=vat_reasons.with_fees(vat_reasons.reasons(part.sums), part.fees),
        fees=part.fees,
        carried=carry.runs_of(ctx, run)[1:],
        amended=_amended(ctx, run, part.sums, type_code),
        not_included=left_out,
        payment=self_billing.payment(ctx, run.issuer_id, terms.terms),
        recipient=recipients.of(ctx, run),
    )
    draft = national_vat.stated(ctx, run, vat_rest.taken(ctx, run, draft))
    holder = rules.placeholder(issuer.number_prefix, type_code, today.year)
    faults = self_billing.faults(ctx, run, terms.terms, today)
    faults += proof(papers.numbered(draft, holder, today, due_date(today, terms.terms)))
    faults = [*faults, *vat_standing.faults(ctx, run, terms.terms, _proofs(ctx, run, issuer, terms, draft))]
    if faults:
        _refuse(ctx, run, faults)
    kept = numbers_json.dumps(draft.dump(), sort_keys=True).encode()
    model_key = _put(ctx, run, f"{key}/model.json", kept)
    for _ in range(_TRIES):
        try:
            return _take_number(ctx, run, issuer, terms, place, part, draft, model_key)
        except ConditionFailed as lost:
            again = store.document_of_run(ctx.db, run.issuer_id, run.run_id, place)
            if again is not None:
                return again
            if lost.table not in (Table.AUDIT, Table.CLEARING):
                raise
    raise Busy("the number series is taken by too many at once")


def _amended(ctx: Context, run: Run, sums: Sums, type_code: str) -> list[Document]:
    """What the rows correct; a correction of nothing but fees has no row that could name its document."""
    found = chain.amended(ctx, run.issuer_id, sums, anew=bool(run.corrects) and not rules.is_credit(type_code))
    corrected = store.document(ctx.db, run.issuer_id, run.corrects) if run.corrects and not found else None
    return [corrected] if corrected else found


def _proofs(
    ctx: Context, run: Run, issuer: Issuer, terms: ContractVersion, draft: InvoiceDocument
) -> tuple[Standing, ...]:
    return vat_standing.standings(ctx, issuer, terms.terms, draft, local_date(ctx.now(), run.zone))


def _type_of(run: Run, part: Part, terms: Terms) -> str:
    """380, or 381 where less than nothing is to be paid; a correction that raises the price is a 384.

    What is to be paid decides, for net and VAT of mixed categories may differ in sign. Where we bill ourselves it is
    389, or 261.
    """
    net, tax = part.sums.lines.balance(part.fees)
    if (net + tax, net) < (0, 0):
        return "261" if terms.is_reverse else "381"
    if terms.is_reverse:
        return "389"
    return "384" if run.corrects else "380"


def _take_number(
    ctx: Context,
    run: Run,
    issuer: Issuer,
    terms: ContractVersion,
    place: int,
    part: Part,
    draft: InvoiceDocument,
    model_key: str,
) -> str:
    now = ctx.now()
    today = local_date(now, run.zone)
    series = rules.series(issuer.number_prefix, draft.type_code.value, today.year)
    counter = store.counter(ctx.db, run.issuer_id, series)
    if counter is not None and counter.last_date > today:
        # Another zone of the same issuer is a day ahead: the document takes that date (numbers in date order).
        today = counter.last_date
    taken = Counter(last=(counter.last if counter else 0) + 1, last_date=today)
    document = _header(run, issuer, terms, part.sums, draft, today, taken.last).model_copy(
        update={
            "place": place,
            "model_key": model_key,
            "issued_at_utc": now,
            "vat_proofs": _proofs(ctx, run, issuer, terms, draft),
            "replaces": tuple(sorted(part.sums.renewed)),
            "self_billed": self_billing.of(terms.terms, today, run.zone),
        }
    )
    mode.require_unposted(ctx, run.issuer_id, _event(document), document.number)
    log = audit.entry(
        ctx,
        issuer_id=run.issuer_id,
        kind="DOCUMENT",
        object_id=f"{run.run_id}.{place}",
        actor_id="system:close",
        action="ISSUED",
        details={"number": document.number, "net": document.net, "gross": document.gross, "manifest": run.manifest},
    )
    actions: list[Action] = [
        store.counter_write(run.issuer_id, series, counter, taken),
        *store.document_create(document),
        store.document_of_run_put(document),
        store.run_check(run, RunState.FINALISING),
        *_postings(ctx, run, issuer, document, fees_net(part.fees, run.currency)),
        log,
    ]
    ctx.db.transact(actions)
    return document.number


def _header(
    run: Run,
    issuer: Issuer,
    terms: ContractVersion,
    sums: Sums,
    draft: InvoiceDocument,
    issue_date: date,
    sequence: int,
) -> Document:
    type_code = draft.type_code.value
    number = rules.number(issuer.number_prefix, type_code, issue_date.year, sequence)
    sign = -1 if rules.is_credit(type_code) else 1
    totals = draft.totals
    return Document(
        issuer_id=run.issuer_id,
        number=number,
        type_code=type_code,
        series=rules.series(issuer.number_prefix, type_code, issue_date.year),
        contract_id=run.contract_id,
        run_id=run.run_id,
        place=0,
        partner_name=terms.terms.counterparty.legal_name,
        issue_date=issue_date,
        due_date=due_date(issue_date, terms.terms),
        period=run.period,
        currency=run.currency,
        net=_signed(totals.net, sign),
        tax=_signed(totals.tax, sign),
        gross=_signed(totals.gross, sign),
        open_amount=_signed(totals.gross, sign),
        sessions=sums.sessions,
        energy_kwh=sums.energy_kwh,
        reference=rules.reference(number),
        preceding=run.corrects,
        terms_version=terms.version,
        categories=tuple(sorted({row.category.value for row in draft.vat})),
        model_key="",
        issued_at_utc=run.opens_at_utc,
    )


def _event(document: Document) -> Event:
    if document.self_billed is not None:
        return Event.SELF_BILLED
    return Event.CREDIT_ISSUED if document.type_code == "381" else Event.INVOICE_ISSUED


def _postings(ctx: Context, run: Run, issuer: Issuer, document: Document, fees: Money) -> list[Put]:
    """The entry of a document in its transaction; zero posts nothing."""
    if document.self_billed is not None:
        lines = self_billing.postings(run, issuer, document, document.self_billed)
    else:
        lines = _sold(run, issuer, document, fees)
    if not any(line.amount for line in lines):
        return []
    return [
        ledger.entry(
            ctx,
            issuer_id=run.issuer_id,
            event=_event(document),
            subject=document.number,
            currency=run.currency,
            lines=lines,
            memo=f"{document.number} {run.run_id}",
        )
    ]


def _sold(run: Run, issuer: Issuer, document: Document, fees: Money) -> list[Line]:
    """Dr receivable(contract) / Cr revenue, Cr fee revenue, Cr output VAT (rules.md 8)."""
    return [
        debit(Account.RECEIVABLE.of(run.contract_id), document.gross),
        credit(Account.REVENUE.of(run.contract_id), document.net - fees, note=run.run_id),
        credit(Account.FEE_REVENUE.of(run.contract_id), fees, note=run.run_id),
        credit(Account.OUTPUT_VAT.of(issuer.address.country), document.tax),
    ]


def _signed(amount: Money, sign: int) -> Money:
    return amount if sign > 0 else -amount


def _refuse(ctx: Context, run: Run, faults: list[str]) -> NoReturn:
    journal.raise_once(
        ctx,
        run.issuer_id,
        ExceptionType.EINVOICE_INVALID,
        run.run_id,
        "the document cannot be issued: " + "; ".join(faults)[:800],
        severity="HIGH",
        partner=run.contract_id,
        expected=run.locked_net,
        next_action="correct the named fields, then resume the run",
    )
    raise Conflict("the document cannot be issued", faults=faults[:20])


def _finish(ctx: Context, run: Run, numbers: tuple[str, ...]) -> None:
    try:
        carry.finished(ctx, run, numbers)
    except ConditionFailed:
        if _run(ctx, run.issuer_id, run.run_id).state not in (RunState.ISSUED, RunState.SENT, RunState.SETTLED):
            raise


def _run(ctx: Context, issuer_id: str, run_id: str) -> Run:
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def _put(ctx: Context, run: Run, key: str, body: bytes) -> str:
    return retention.put(ctx, run.issuer_id, "documents", key, body, "application/json").key
