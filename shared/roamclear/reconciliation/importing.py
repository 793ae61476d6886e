"""Importing a dropped bank file: read it whole, then book it in chunks with a checkpoint (rules.md 10, Bank)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date

from roamclear.bank import service as bank
from roamclear.bank.model import Entry, StatementEnd, StatementHead, Status
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, InvalidInput, NotFound
from roamclear.reconciliation import accounts, continuity, entries, settling, store
from roamclear.reconciliation.book import Book
from roamclear.reconciliation.booking import Booked, book_entry
from roamclear.reconciliation.model import (
    BankAccount,
    BankFile,
    FileState,
    Imported,
    Payment,
    PaymentState,
)
from roamclear.reconciliation.statements import Plan, close_statement
from roamclear.retention import service as retention

CHUNK = 500
#: Folders of the same inbox that are another function's (infra/constructs/schedules.py).
NOT_OURS = ("accruals/", "cdrs/", "compare/", "disputes/", "rehearse/", "windows/")
_FINAL = (FileState.MATCHED, FileState.PARTLY, FileState.QUARANTINED)


def import_file(ctx: Context, object_key: str, *, limit: int = CHUNK) -> Imported:
    """Import a file of the inbox, at most ``limit`` entries in this call; ``finished`` says whether to call again.

    The same bytes are a no-op. A file that cannot be read, or whose accounts nobody registered, is quarantined with
    its reason; an unregistered account beside registered ones is told and left out. Nothing is booked before the
    whole file was read.

    Raises:
        NotFound: no such object.
    """
    data = ctx.objects.get("inbox", object_key)
    if data is None:
        raise NotFound("no such file in the inbox")
    sha256 = hashlib.sha256(data).hexdigest()
    known = store.file(ctx.db, sha256)
    if known is not None and known.state in _FINAL and not known.retry:
        return _imported(known)
    file = known or BankFile(sha256=sha256, object_key=object_key, state=FileState.DROPPED, dropped_at_utc=ctx.now())
    try:
        plans = _plan(ctx, data)
    except InvalidInput as error:
        return _quarantine(ctx, file, error.message, (), retry=False)
    owners = tuple(sorted({p.account.issuer_id for p in plans if p.account}))
    if not owners:
        reason = "no registered account" if plans else "no statement"
        return _quarantine(ctx, file, reason, _strangers(plans), retry=bool(plans))
    _keep(ctx, data, sha256, owners)
    return _work(ctx, data, file, plans, owners, limit)


def _keep(ctx: Context, data: bytes, sha256: str, owners: tuple[str, ...]) -> None:
    """The file as it came, under Object Lock, before anything of it is booked (product.md row 138)."""
    for issuer_id in owners:
        retention.put(ctx, issuer_id, "archive", f"{issuer_id}/bank/{sha256}", data, "application/octet-stream")


def import_inbox(
    ctx: Context, object_keys: Iterable[str] | None = None, *, time_left: Callable[[], bool] = lambda: True
) -> list[Imported]:
    """Import the named objects, or list the inbox and finish what an event lost or left half done.

    A file that fails never stops the others; the call then fails at its end, so that the alarm of its function goes
    off, and the next one tries again.

    Raises:
        Busy: the time is over and a file is unfinished; the next call goes on from its checkpoint.
    """
    done: list[Imported] = []
    failed: Exception | None = None
    listed = ctx.objects.keys("inbox") if object_keys is None else object_keys
    for key in (key for key in listed if not key.startswith(NOT_OURS)):
        try:
            done.append(_import_whole(ctx, key, time_left))
        except Exception as error:
            failed = failed or error
            if not time_left():
                break
    if failed is not None:
        raise failed
    return done


def _import_whole(ctx: Context, key: str, time_left: Callable[[], bool]) -> Imported:
    while not (imported := import_file(ctx, key)).finished:
        if not time_left():
            raise Busy("a bank file is unfinished; its checkpoint is kept")
    return imported


def _imported(file: BankFile) -> Imported:
    return Imported(
        sha256=file.sha256,
        state=file.state,
        finished=file.state in _FINAL,
        booked=file.booked,
        known=file.known,
        reason=file.reason,
    )


# ---- first reading -------------------------------------------------------------------------------------------------
def _plan(ctx: Context, data: bytes) -> list[Plan]:
    plans: list[Plan] = []
    keys: list[str] = []
    groups: dict[str, dict[str, int]] = {}
    latest: date | None = None
    for event in _events(data):
        if isinstance(event, StatementHead):
            keys, groups, latest = [], {}, None
        elif isinstance(event, Entry):
            if event.status is Status.BOOK:
                keys.append(event.key)
                parts = groups.setdefault(event.group_key, {})
                parts[entries.digest(event.key)] = event.signed.amount_minor
                latest = max(filter(None, (latest, event.booked_on)), default=None)
        else:
            currency = _currency(event)
            account = _account(ctx, event.head.account.id, currency) if currency else None
            day = continuity.statement_day(event) or latest or ctx.now().date()
            digest = continuity.statement_digest(keys, event)
            plans.append(Plan(event, currency, account, day, digest, groups))
    return plans


def _events(data: bytes) -> Iterator[StatementHead | Entry | StatementEnd]:
    for member in bank.open_members(data):
        yield from bank.read_camt_events(member)


def _currency(end: StatementEnd) -> str | None:
    """The account's currency: its own, its balances', or that of all its entries."""
    found = [end.head.account.currency]
    found += [balance.amount.currency for balance in (end.closing, end.opening) if balance]
    used = sorted({*end.credits, *end.debits})
    found.append(used[0] if len(used) == 1 else None)
    return next((currency for currency in found if currency), None)


def _account(ctx: Context, name: str, currency: str) -> BankAccount | None:
    """The registered account; the IBAN an issuer prints on its invoices is registered by that."""
    found = store.owner(ctx.db, name, currency)
    if found is not None:
        return found
    issuers = [identity.issuer(ctx, issuer_id) for issuer_id in identity.issuer_ids(ctx)]
    owners = [issuer for issuer in issuers if issuer.iban == name and issuer.currency == currency]
    if len(owners) != 1:
        return None
    return accounts.register(ctx, BankAccount(issuer_id=owners[0].issuer_id, account=name, currency=currency))


# ---- second reading ------------------------------------------------------------------------------------------------
def _work(
    ctx: Context, data: bytes, file: BankFile, plans: list[Plan], owners: tuple[str, ...], limit: int
) -> Imported:
    """Book from the checkpoint on; a statement's row is written after its last entry."""
    books = {issuer_id: Book(ctx, issuer_id) for issuer_id in owners}
    place, index, counts = 0, -1, Counter[Booked]()
    touched: list[Payment] = []
    for event in _events(data):
        if isinstance(event, StatementHead):
            index += 1
        elif isinstance(event, Entry):
            place += 1
            plan = plans[index]
            if place <= file.done or plan.account is None:
                continue
            if place > file.done + limit:
                return _checkpoint(ctx, file, plans, owners, counts, place - 1)
            book = books[plan.account.issuer_id]
            outcome = _book(book, plan, event, file.sha256)
            counts[outcome] += 1
            if outcome is not Booked.ANNOUNCED:
                touched += settling.settle_entry(book, event.account, entries.digest(event.key))
        elif plans[index].account is not None:
            close_statement(ctx, plans[index], file.sha256)
    for issuer_id in owners:
        settling.rematch(ctx, issuer_id)
    left = _report(books, touched) or any(store.unapplied(ctx.db, issuer_id) for issuer_id in owners)
    return _finish(ctx, file, plans, owners, counts, place, left)


def _book(book: Book, plan: Plan, entry: Entry, sha256: str) -> Booked:
    assert plan.account is not None
    books = plan.end.head.kind.value in plan.account.books_from
    return book_entry(book, plan.account, entry, groups=plan.groups, day=plan.day, sha256=sha256, books=books)


def _report(books: dict[str, Book], touched: list[Payment]) -> bool:
    """Tell what stayed open of the payments of this call; True if anything did."""
    open_ = False
    for payment in touched:
        book = books[payment.issuer_id]
        current = store.payment(book.ctx.db, payment.issuer_id, payment.entry_id, payment.index)
        if current is not None and current.state is PaymentState.OPEN and current.told is None:
            book.refresh()
            settling.report(book, current)
        open_ = open_ or bool(current and current.unapplied)
    return open_


def _next(file: BankFile, counts: Counter[Booked], done: int, owners: tuple[str, ...]) -> BankFile:
    return file.model_copy(
        update={
            "state": FileState.PARSED,
            "done": done,
            "booked": file.booked + counts[Booked.BOOKED],
            "known": file.known + counts[Booked.KNOWN],
            "issuer_ids": owners,
            "reason": None,
            "retry": False,
        }
    )


def _checkpoint(
    ctx: Context, file: BankFile, plans: list[Plan], owners: tuple[str, ...], counts: Counter[Booked], done: int
) -> Imported:
    made = _next(file, counts, done, owners)
    total = sum(plan.end.entries for plan in plans)
    made = made.model_copy(update={"entries": total, "retry": file.retry})
    store.save_file(ctx.db, made)
    return _imported(made)


def _finish(
    ctx: Context,
    file: BankFile,
    plans: list[Plan],
    owners: tuple[str, ...],
    counts: Counter[Booked],
    done: int,
    left: bool,
) -> Imported:
    strangers = _strangers(plans)
    for issuer_id in owners:
        for stranger in strangers:
            _tell(ctx, issuer_id, file, f"account {stranger} is not registered")
        if file.retry and not strangers:
            kind, subject = ExceptionType.STATEMENT_QUARANTINED, file.sha256[:24]
            journal.resolve(ctx, issuer_id, kind, subject, by="system:import", reason="the file was imported")
    made = _next(file, counts, done, owners).model_copy(
        update={
            "entries": done,
            "state": FileState.PARTLY if left else FileState.MATCHED,
            "retry": bool(strangers),
            "finished_at_utc": ctx.now(),
        }
    )
    if strangers:
        made = made.model_copy(update={"done": 0})
    store.save_file(ctx.db, made)
    return _imported(made)


def _strangers(plans: list[Plan]) -> tuple[str, ...]:
    """Accounts nobody registered, masked."""
    return tuple(sorted({f"…{p.end.head.account.id[-4:]}" for p in plans if p.account is None and p.end.entries}))


def _quarantine(ctx: Context, file: BankFile, reason: str, strangers: tuple[str, ...], *, retry: bool) -> Imported:
    """Keep the reason with the file and tell the issuer, if the deployment has only one."""
    text = f"{reason}: {', '.join(strangers)}" if strangers else reason
    made = file.model_copy(
        update={"state": FileState.QUARANTINED, "reason": text, "retry": retry, "finished_at_utc": ctx.now()}
    )
    store.save_file(ctx.db, made)
    issuers = identity.issuer_ids(ctx)
    if len(issuers) == 1:
        _tell(ctx, issuers[0], file, text)
    return _imported(made)


def _tell(ctx: Context, issuer_id: str, file: BankFile, reason: str) -> None:
    journal.raise_once(
        ctx,
        issuer_id,
        ExceptionType.STATEMENT_QUARANTINED,
        file.sha256[:24],
        f"a bank file was put aside: {reason}",
        severity="HIGH",
        next_action="register the account or ask the bank for the file again",
        details={"object": file.object_key[-100:]},
    )
