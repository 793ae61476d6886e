"""What goes wrong in a real month: each odd message, how it is answered, and where it must end.

Product rows 3, 4, 11, 14, 50, 51 and rules.md 4 name the ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from infra.local.demo.curves import Curve, Stretch
from infra.local.demo.network import LOCATIONS, Evse, Location
from infra.local.demo.people import CPO_PARTNER, HERZ, RONDE, STRANGER, UNKNOWN_EMSP, Emsp
from infra.local.demo.sessions import Planned, cdr
from infra.local.demo.when import Month, stamp
from infra.local.http import to_json

HAFEN = LOCATIONS[0]
#: An AC socket of the car park that is only used by the odd ones: they never overlap a planned session.
ODD = Evse("DE*NLL*E1009", "AC", 22, 0, "OWN")


@dataclass(frozen=True, slots=True)
class Answered:
    """How a push is answered: HTTP status, OCPI code, and a word of the message."""

    http: int
    code: int
    word: str = ""


NEW, REPEAT = Answered(201, 1000), Answered(200, 1000)


@dataclass(frozen=True, slots=True)
class Odd:
    """One odd message. ``ends`` is the billing state and a reason or warning the CDR must show; None: no such CDR."""

    name: str
    raw: bytes
    sent_at: datetime
    answered: Answered
    cdr_id: str | None = None
    ends: tuple[str, str] | None = None
    partner: str = CPO_PARTNER
    told: str | None = None


def odd_place() -> Location:
    """The car park with its extra socket."""
    return HAFEN


def _session(number: int, emsp: Emsp, start: datetime, minutes: int = 90) -> Planned:
    """A plain AC session of 11 kW at the extra socket."""
    stretches = []
    for quarter in range(minutes // 15):
        at = start + timedelta(minutes=15 * quarter)
        stretches.append(Stretch(at, Decimal("2.683"), Decimal("0.25")))
    end = start + timedelta(minutes=minutes)
    curve = Curve(start, end, tuple(stretches))
    return Planned(9000 + number, HAFEN, ODD, emsp, curve, end + timedelta(minutes=1), 70 + number)


def of_month(month: Month, planned: list[Planned]) -> list[Odd]:
    """All odd messages of the month, in no order; the late ones are ``after_opening``."""
    return [
        *_repeats(planned),
        *_credits(month),
        *_masters(month),
        *_implausible(month),
        *_refused(month),
    ]


def _repeats(planned: list[Planned]) -> list[Odd]:
    """Exact repeats, a repeat with other key order, a repeat with changed content."""
    third = len(planned) // 3
    found = []
    for made in (planned[2], planned[third], planned[-3]):
        later = made.sent_at + timedelta(hours=7, minutes=11)
        same = ("VERIFIED", "") if made.evse.account_id else ("ON_HOLD", "EVSE_UNASSIGNED")
        found.append(Odd("exact repeat", to_json(cdr(made)), later, REPEAT, made.cdr_id, same))
    paid = [p for p in planned if p.evse.account_id]
    shuffled, changed = paid[5], paid[len(paid) // 2]
    body = dict(sorted(cdr(shuffled).items(), reverse=True)) | {"remark": None, "last_updated": "2026-12-31T00:00:00Z"}
    found.append(
        Odd("repeat with other key order", to_json(body), shuffled.sent_at + timedelta(hours=26), REPEAT,
            shuffled.cdr_id, ("VERIFIED", ""))
    )  # fmt: skip
    body = cdr(changed)
    body["total_cost"] = {"excl_vat": body["total_cost"]["excl_vat"] + Decimal("4.20")}
    found.append(
        Odd("repeat with changed content", to_json(body), changed.sent_at + timedelta(hours=3),
            Answered(200, 2001, "other content"), changed.cdr_id, ("VERIFIED", ""), told="CDR_ID_CONFLICT")
    )  # fmt: skip
    return found


def _credits(month: Month) -> list[Odd]:
    """A CDR with a wrong amount, its credit, and the CDR that replaces it."""
    wrong = _session(1, RONDE, month.at(6, 10))
    first = cdr(wrong)
    credit = first | {
        "id": f"{first['id']}-C",
        "credit": True,
        "credit_reference_id": first["id"],
        "total_cost": {"excl_vat": -first["total_cost"]["excl_vat"]},
        "last_updated": stamp(month.at(7, 9)),
    }
    right = first | {"id": f"{first['id']}-R", "last_updated": stamp(month.at(7, 9, 1))}
    return [
        Odd("credited CDR", to_json(first), wrong.sent_at, NEW, first["id"], ("CREDITED", "WITHDRAWN_BY_CPO")),
        Odd("credit CDR", to_json(credit), month.at(7, 9), NEW, credit["id"], ("CREDITED", "WITHDRAWN_BY_CPO")),
        Odd("replacement after a credit", to_json(right), month.at(7, 9, 1), NEW, right["id"], ("VERIFIED", "")),
    ]


def _masters(month: Month) -> list[Odd]:
    """Unknown eMSP, own customer, no price of the CPO, a session past midnight of the last day, a very old one."""
    unknown = _session(2, HERZ, month.at(8, 10))
    own = _session(3, HERZ, month.at(9, 10))
    unpriced = _session(4, HERZ, month.at(10, 10))
    past = _session(5, RONDE, month.after(1, 0) - timedelta(minutes=45))
    old = _session(6, RONDE, month.at(1, 10) - timedelta(days=110))
    blank = {
        k: v for k, v in cdr(unpriced).items() if k not in ("tariffs", "total_energy_cost", "total_fixed_cost")
    } | {"total_cost": {"excl_vat": Decimal(0)}}
    foreign = cdr(unknown)
    foreign["cdr_token"] |= {"country_code": UNKNOWN_EMSP[:2], "party_id": UNKNOWN_EMSP[2:]}
    foreign["cdr_token"]["contract_id"] = f"{UNKNOWN_EMSP}C00000001"
    house = cdr(own)
    house["cdr_token"] |= {"country_code": "DE", "party_id": "NLL", "contract_id": "DENLLC00000001"}
    return [
        Odd("for an unknown eMSP", to_json(foreign), unknown.sent_at, NEW, foreign["id"],
            ("NOT_RATED", "NO_CONTRACT"), told="NO_CONTRACT"),
        Odd("the CPO's own customer", to_json(house), own.sent_at, NEW, house["id"], ("OUT_OF_SCOPE", "OWN")),
        Odd("unpriced by the CPO", to_json(blank), unpriced.sent_at, NEW, blank["id"],
            ("VERIFIED", "CDR_NOT_PRICED")),
        Odd("over midnight of the last day", to_json(cdr(past)), past.sent_at, NEW, past.cdr_id, ("VERIFIED", "")),
        Odd("110 days old", to_json(cdr(old)), month.at(3, 8), NEW, old.cdr_id, ("TOO_LATE", ""), told="TOO_LATE"),
    ]  # fmt: skip


def _implausible(month: Month) -> list[Odd]:
    """Accepted on the wire and held: a twin under another id, Wh for kWh, an end before the start, no energy."""
    twin_of = _session(7, HERZ, month.at(12, 10))
    first = cdr(twin_of)
    twin = first | {"id": f"{first['id']}-2"}
    whole = cdr(_session(8, HERZ, month.at(13, 10)))
    whole["total_energy"] = whole["total_energy"] * 1000
    for period in whole["charging_periods"]:
        for dimension in period["dimensions"]:
            dimension["volume"] *= 1000 if dimension["type"] == "ENERGY" else 1
    backwards = cdr(_session(9, RONDE, month.at(14, 10)))
    backwards["end_date_time"] = stamp(month.at(14, 8))
    empty = _session(10, RONDE, month.at(15, 10), 30)
    zero = cdr(empty) | {
        "total_energy": Decimal(0), "total_cost": {"excl_vat": Decimal(0)},
        "total_energy_cost": {"excl_vat": Decimal(0)}, "total_fixed_cost": {"excl_vat": Decimal(0)},
        "charging_periods": [{"start_date_time": stamp(month.at(15, 10)),
                              "dimensions": [{"type": "TIME", "volume": Decimal("0.5")}]}],
    }  # fmt: skip
    sent = twin_of.sent_at
    return [
        Odd("first of two with one session id", to_json(first), sent, NEW, first["id"], ("VERIFIED", "")),
        Odd("second of two with one session id", to_json(twin), sent + timedelta(minutes=3), NEW, twin["id"],
            ("ON_HOLD", "POSSIBLE_DUPLICATE"), told="POSSIBLE_DUPLICATE"),
        Odd("Wh instead of kWh", to_json(whole), month.at(13, 12), NEW, whole["id"], ("ON_HOLD", "ENERGY_IN_WH")),
        Odd("end before start", to_json(backwards), month.at(14, 12), NEW, backwards["id"],
            ("ON_HOLD", "END_BEFORE_START")),
        Odd("no energy", to_json(zero), month.at(15, 12), NEW, zero["id"], ("ON_HOLD", "ZERO_ENERGY")),
    ]  # fmt: skip


def _refused(month: Month) -> list[Odd]:
    """Refused on the wire: kept in the ingest log, told in the journal, no CDR."""
    base = [cdr(_session(20 + n, RONDE, month.at(16 + n, 10))) for n in range(5)]
    without = {k: v for k, v in base[1].items() if k != "total_energy"}
    text = json.loads(to_json(base[2]))
    text["total_energy"] = "eleven"
    refused: list[tuple[str, bytes, Answered, str]] = [
        ("party not covered by the credential", to_json(base[0]), Answered(200, 2001, "party_id"), STRANGER),
        ("total_energy missing", to_json(without), Answered(200, 2001, "total_energy"), CPO_PARTNER),
        ("a word for a number", to_json(text), Answered(200, 2001, "total_energy"), CPO_PARTNER),
        ("two CDRs in one POST", to_json(base[3:5]), Answered(200, 2001, "one CDR"), CPO_PARTNER),
        ("half a JSON", to_json(base[4])[:900], Answered(400, 2001), CPO_PARTNER),
    ]
    found = []
    for number, (name, raw, answered, partner) in enumerate(refused):
        sent = month.at(16 + number, 12)
        found.append(Odd(name, raw, sent, answered, partner=partner, told="CDR_REJECTED"))
    return found


def after_opening(month: Month) -> list[Odd]:
    """A CDR of the month that comes when the window is open already: it joins the next run (product.md row 50)."""
    late = _session(30, RONDE, month.at(24, 10))
    return [Odd("late", to_json(cdr(late)), month.after(3, 11), NEW, late.cdr_id, ("VERIFIED", ""))]
