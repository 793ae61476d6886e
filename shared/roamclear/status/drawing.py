"""Writing an accrual pack: exact JSON, and a workbook with typed cells."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from roamclear.documents.tables import Cell, write_book
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.money import Money
from roamclear.status import packs
from roamclear.status.accrual import count
from roamclear.status.pack_model import AccrualPack

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PARTS = ("verified", "on_hold", "not_rated", "in_window", "locked", "invoiced", "corrections", "verified_cdrs")
_SUMS = ("fees", "accrued", "unpaid", "deferred", "parked")
_POSTINGS = ("contract", "currency", "entry", "account", "name", "debit", "credit")


def draw(ctx: Context, object_key: str) -> list[str]:
    """Write the pack that an object of the inbox asks for; returns its keys. What is drawn already stays.

    Raises:
        NotFound: the object asks for nothing.
    """
    meant = packs.wanted(object_key)
    if meant is None:
        raise NotFound("this asks for no pack")
    keys = [meant.file_key(kind) for kind in packs.KINDS]
    if packs.shown(ctx, meant)["files"]:
        return keys
    pack = count(ctx, meant.issuer_id, meant.period, packs.until(ctx, meant), meant.as_of)
    body = numbers_json.dumps(pack.dump() | {"holds": pack.holds}).encode()
    ctx.objects.put("exports", keys[1], workbook(pack), _XLSX)
    ctx.objects.put("exports", keys[0], body, "application/json")
    return keys


def waiting(ctx: Context) -> list[str]:
    """Requests whose pack is not complete: what an event lost."""
    found = []
    for key in ctx.objects.keys("inbox", packs.FOLDER):
        meant = packs.wanted(key)
        if meant is not None and not packs.shown(ctx, meant)["files"]:
            found.append(key)
    return found


def workbook(pack: AccrualPack) -> bytes:
    """Two sheets: the sums of every contract, and the journal lines; amounts in major units as numbers."""
    return write_book(
        [("Accruals", _titles(), _rows(pack)), ("Journal", _POSTINGS, _lines(pack))], created=pack.as_of_utc
    )


def _titles() -> list[str]:
    titles = ["contract", "partner", "bought", "currency"]
    for name in _PARTS:
        titles += [f"{name} sessions", f"{name} kWh", f"{name} net"]
    return [*titles, "on_hold claimed", "not_rated claimed", "disputes", "disputed", *_SUMS, "holds"]


def _rows(pack: AccrualPack) -> Iterator[list[Cell]]:
    for row in pack.contracts:
        cells: list[Cell] = [row.contract_id or "", row.partner, row.bought, row.currency]
        for name in _PARTS:
            part = getattr(row, name)
            cells += [part.sessions, part.energy_kwh, part.net.to_decimal()]
        cells += [row.on_hold.claimed, row.not_rated.claimed, row.disputed.disputes, row.disputed.claimed.to_decimal()]
        yield [*cells, *(getattr(row, name).to_decimal() for name in _SUMS), row.holds]


def _lines(pack: AccrualPack) -> Iterator[list[Cell]]:
    for row in pack.contracts:
        for line in row.postings:
            debit, credit = _sides(line.amount)
            yield [row.contract_id or "", row.currency, line.entry, line.account, line.name, debit, credit]


def _sides(amount: Money) -> tuple[Decimal | None, Decimal | None]:
    shown = abs(amount).to_decimal()
    return (shown, None) if amount.amount_minor > 0 else (None, shown)
