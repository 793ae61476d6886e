"""Part 2: the month's CDRs are pushed one by one, each at its own time, odd ones among them."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from infra.local.demo import people
from infra.local.demo.desk import Desk, Unexpected
from infra.local.demo.oddities import Odd, of_month
from infra.local.demo.sessions import Planned, cdr, plan
from infra.local.demo.when import Month
from infra.local.http import to_json

Json = dict[str, Any]
_PATH = "/ocpi/2.2.1/cdrs"


def play(desk: Desk, month: Month, count: int) -> list[Planned]:
    """Push the month and see where every CDR ended."""
    desk.chapter(f"2  {count} sessions and the odd ones, pushed over OCPI at their own times")
    planned = plan(month, count)
    odd = of_month(month, planned)
    told = sorted([*planned, *odd], key=lambda each: each.sent_at)
    for done, each in enumerate(told, 1):
        desk.at(each.sent_at)
        if isinstance(each, Odd):
            push_odd(desk, each)
        else:
            _push(desk, each)
        desk.progress(done, len(told), "messages pushed")
    _strangers(desk, month, planned[0])
    settled(desk, planned, odd)
    _ends(desk, planned, odd)
    return planned


def ref(cdr_id: str) -> str:
    """The clearing's name of a CDR."""
    return f"{people.PARTY}*{cdr_id}".upper()


def trace(desk: Desk, cdr_id: str) -> Json:
    """Everything the clearing knows of a CDR."""
    found: Json = desk.api("FINANCE", "GET", f"/v1/cdrs/{ref(cdr_id)}/trace")
    return found


def push_odd(desk: Desk, each: Odd) -> None:
    """Send an odd message and compare the answer."""
    answer = desk.ocpi(each.partner, "POST", _PATH, raw=each.raw)
    envelope = answer.json()
    fits = (answer.status, envelope["status_code"]) == (each.answered.http, each.answered.code)
    fits = fits and each.answered.word in envelope["status_message"]
    sentence = f"“{each.name}” is answered with HTTP {each.answered.http} and OCPI {each.answered.code}"
    desk.expect(fits, sentence, f"{answer.status} {answer.text[:300]}")


def _push(desk: Desk, made: Planned) -> None:
    answer = desk.ocpi(people.CPO_PARTNER, "POST", _PATH, raw=to_json(cdr(made)))
    if answer.status != 201 or answer.json()["status_code"] != 1000:
        raise Unexpected(f"the CDR {made.cdr_id} was answered with {answer.status} {answer.text[:500]}")


def _strangers(desk: Desk, month: Month, first: Planned) -> None:
    """The stored CDR is served unchanged to its owner; nobody else sees it, and nobody changes it."""
    path = f"{_PATH}/{people.PARTY[:2]}/{people.PARTY[2:]}/{first.cdr_id}"
    own = desk.ocpi(people.CPO_PARTNER, "GET", path)
    sent = json.loads(to_json(cdr(first)), parse_float=Decimal)
    desk.expect(own.json()["data"] == sent, "a CDR is served back exactly as it was sent", own.text)
    desk.expect(desk.ocpi(people.STRANGER, "GET", path).status == 404, "another CPO's token finds no such CDR")
    desk.expect(desk.ocpi(people.CPO_PARTNER, "PUT", path, {}).status == 405, "a CDR cannot be changed")
    desk.tokens["nobody"] = "not-a-token"
    answer = desk.ocpi("nobody", "POST", _PATH, raw=to_json(cdr(first)))
    desk.expect(answer.status == 401, "an unknown token is refused with 401", answer.text)


def settled(desk: Desk, planned: list[Planned], odd: list[Odd]) -> None:
    """Wait until the stream has worked through everything that was pushed."""
    waiting = [*(p.cdr_id for p in planned), *(o.cdr_id for o in odd if o.cdr_id)]
    names = {ref(each) for each in waiting}

    def done() -> bool:
        return names <= {item["cdr_ref"] for item in listed(desk)} | _elsewhere(desk, odd)

    desk.until(done, "every CDR was checked and rated", timeout_s=120)


def listed(desk: Desk) -> list[Json]:
    """The three lists Rated / On hold / Not rated, of all contracts and of none."""
    found: list[Json] = []
    for contract in (*(e.contract_id for e in people.EMSPS), "-"):
        for name in ("rated", "on_hold", "not_rated"):
            found += desk.api("FINANCE", "GET", "/v1/cdrs", list=name, contract=contract)["items"]
    return found


def _elsewhere(desk: Desk, odd: list[Odd]) -> set[str]:
    """Those that end in none of the lists."""
    out = {"CREDITED", "OUT_OF_SCOPE", "TOO_LATE", "REJECTED"}
    ids = [o.cdr_id for o in odd if o.cdr_id and o.ends and o.ends[0] in out]
    return {ref(each) for each in ids if trace(desk, each)["billing"] in out}


def _ends(desk: Desk, planned: list[Planned], odd: list[Odd]) -> None:
    """Each CDR is where the rules say, with its reason; the lists add up."""
    found = {item["cdr_ref"]: item for item in listed(desk)}
    for made in planned:
        state, reasons = ("VERIFIED", []) if made.evse.account_id else ("ON_HOLD", ["EVSE_UNASSIGNED"])
        got = found[ref(made.cdr_id)]
        if got["billing"] != state or got.get("reasons", []) != reasons:
            raise Unexpected(f"{made.cdr_id} is {got['billing']} {got.get('reasons')}, not {state} {reasons}")
    desk.confirmed.append("every plain session is VERIFIED, or on hold where its EVSE has no payee")
    for each in odd:
        if each.cdr_id and each.ends:
            end(desk, each.name, each.cdr_id, *each.ends)
    journal = Counter(row["kind"] for row in desk.api("FINANCE", "GET", "/v1/exceptions")["items"])
    for name in {each.told for each in odd if each.told}:
        number = sum(each.told == name for each in odd)
        desk.expect(journal[name] == number, f"the journal tells {name} {number} time(s)", dict(journal))
    counts = Counter(item["billing"] for item in found.values())
    desk.note("lists: " + ", ".join(f"{number} {name}" for name, number in sorted(counts.items())))
    reasons_seen = Counter(reason for item in found.values() for reason in item.get("reasons", []))
    desk.note("reasons: " + ", ".join(f"{number} {name}" for name, number in sorted(reasons_seen.items())))
    _priced(desk, planned, found)


def end(desk: Desk, name: str, cdr_id: str, state: str, word: str) -> None:
    session = trace(desk, cdr_id)["session"]
    words = [*session.get("reasons", []), *session.get("warnings", [])]
    holds = session["billing"] == state and (not word or word in words)
    desk.expect(holds, f"“{name}” ends as {state}{f' ({word})' if word else ''}", (session["billing"], words))


def _priced(desk: Desk, planned: list[Planned], found: dict[str, Json]) -> None:
    """The contract's price and the back-end's agree to the cent (each component rounded once), traced."""
    apart = 0
    for made in planned:
        item = found[ref(made.cdr_id)]
        total = Decimal(str(item["cdr_total"])) * 100
        apart = max(apart, abs(int(item["net"]["amount_minor"]) - int(total.to_integral_value())))
    desk.expect(apart <= 1, "grid price and CDR total differ by at most one cent of rounding", apart)
    ratings = trace(desk, planned[0].cdr_id)["ratings"]
    desk.expect(ratings and ratings[-1]["trace"]["steps"], "the price trace is stored beside the amount", ratings)
