"""Parts 3 and 4a: the control window, disputes, assignments meanwhile, the lock, invoices and their mails."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from infra.local.demo import people, pushing
from infra.local.demo.desk import Desk, Unexpected
from infra.local.demo.network import EVSES
from infra.local.demo.oddities import after_opening
from infra.local.demo.opening import assign
from infra.local.demo.people import HERZ, LUMINA, RONDE, Emsp
from infra.local.demo.sessions import Planned
from infra.local.demo.when import Month, read, stamp

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Disputed:
    """The three disputes: accepted, rejected, left without an answer."""

    accepted: str
    rejected: str
    unanswered: str


def run_id(emsp: Emsp, month: Month) -> str:
    """The name of a contract's run of the month."""
    return f"{emsp.contract_id}.{month.label}.CLOSE"


def run_of(desk: Desk, emsp: Emsp, month: Month) -> Json:
    """A run as finance sees it."""
    found: Json = desk.api("FINANCE", "GET", f"/v1/runs/{run_id(emsp, month)}")
    return found


def play(desk: Desk, month: Month, planned: list[Planned]) -> None:
    """From the end of the month to the mailed invoices."""
    desk.chapter("3  Month close: window, disputes, lock, invoices, mails")
    _start(desk, month)
    _prove(desk, month)
    _open(desk, month)
    _read(desk, month)
    disputed = _dispute(desk, month)
    _late(desk, month)
    _answer(desk, month, disputed)
    _meanwhile(desk, month)
    _close(desk, month, disputed)
    _issued(desk, month)
    _mailed(desk, month)


# ---- window --------------------------------------------------------------------------------------------------------
def _start(desk: Desk, month: Month) -> None:
    """The hourly schedule starts one execution per contract; twice starts no second one."""
    desk.at(month.after(1, 3, 7))
    started = desk.run("start_close")["started"]
    desk.expect(len(started) == len(people.EMSPS), "the schedule starts one execution per contract", started)
    desk.until(lambda: _all(desk, month, "GRACE"), "every contract has its run in GRACE")
    again = desk.run("start_close")["started"]
    desk.expect(again == [], "the schedule starts nothing twice", again)
    machine = desk.stack.outputs["CloseStateMachineArn"]
    listed = desk.stack.boto("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    desk.expect(len(listed) == len(people.EMSPS), "one Step Functions execution per contract runs", listed)
    desk.note(f"{len(started)} executions of the month close wait out the grace")


def _prove(desk: Desk, month: Month) -> None:
    """Finance records what VIES answered for both VAT ids of the contract under reverse charge."""
    issuer = desk.api("FINANCE", "GET", "/v1/issuer")
    path = f"/v1/contracts/{RONDE.contract_id}"
    for vat_id in (issuer["vat_id"], RONDE.terms["counterparty"]["vat_id"]):
        proof = {"vat_id": vat_id, "valid": True, "checked_on": month.end.isoformat(), "request_id": "WAPI-DEMO-1"}
        desk.api("FINANCE", "POST", f"{path}/vat-proofs", proof, status=201)
    known = desk.api("FINANCE", "GET", f"{path}/review")["vat_ids"]
    states = {each["state"] for each in known}
    desk.expect(states == {"VALID"}, "both VAT ids of a reverse charge are proved before its documents", known)


def _swept(desk: Desk, month: Month, *states: str) -> bool:
    """The sweep comes round again and again: an execution that parks late is not forgotten."""
    if _all(desk, month, *states):
        return True
    desk.run("sweep")
    time.sleep(1)
    return False


def _all(desk: Desk, month: Month, *states: str) -> bool:
    listed = desk.api("FINANCE", "GET", "/v1/runs")["items"]
    runs = {r["run_id"]: r["state"] for r in listed}
    failed = [r for r in listed if r.get("failed_step")]
    if failed:
        raise Unexpected(f"{failed[0]['run_id']} gave up at {failed[0]['failed_step']}: {failed[0].get('failure')}")
    return all(runs.get(run_id(emsp, month)) in states for emsp in people.EMSPS)


def _open(desk: Desk, month: Month) -> None:
    desk.at(month.after(2, 0, 0, 2))
    before = len(desk.stack.mails())
    desk.until(lambda: _swept(desk, month, "WINDOW", "SETTLED"), "the control windows open", timeout_s=120)
    for emsp in (RONDE, HERZ):
        run = run_of(desk, emsp, month)
        opens, closes = read(run["opens_at_utc"]), read(run["closes_at_utc"])
        desk.expect(opens == month.after(2), "the list is readable from the planned midnight on", opens)
        desk.expect(closes == month.after(9), "the window is seven whole days long", closes)
        desk.until(lambda emsp=emsp: run_of(desk, emsp, month).get("notice_ids"), "the opening is announced")
        desk.note(f"{emsp.contract_id}: window open, {run['members']} sessions, {euro(run['proforma'])} net")
    empty = run_of(desk, LUMINA, month)
    desk.expect(empty["state"] == "SETTLED", "a contract without traffic settles without a document", empty)
    mails = desk.until(lambda: _two(desk, before), "both opening mails arrive")
    to = sorted(str(read_mail(desk, mail)["To"]) for mail in mails)
    desk.expect(to == sorted((RONDE.mail, HERZ.mail)), "each eMSP with sessions gets its opening mail, once", to)


def _two(desk: Desk, before: int) -> list[Any]:
    found = desk.stack.mails()[before:]
    return found if len(found) >= 2 else []


def _read(desk: Desk, month: Month) -> None:
    """Each eMSP pages its list over OCPI: its own CDRs, unchanged."""
    desk.at(month.after(2, 8, 30))
    for emsp in (RONDE, HERZ):
        found = pull(desk, emsp)
        parties = {cdr["cdr_token"]["country_code"] + cdr["cdr_token"]["party_id"] for cdr in found}
        desk.expect(parties == {emsp.party}, f"{emsp.name} reads its own CDRs only", parties)
        ids = {pushing.ref(cdr["id"]) for cdr in found}
        members = {item["cdr_ref"] for item in _members(desk, emsp, month)["items"]}
        desk.expect(members and members <= ids, f"{emsp.name} can read every session of its window over OCPI",
                    sorted(members - ids))  # fmt: skip
        desk.note(f"{emsp.name} pulled {len(found)} CDRs over OCPI")
    desk.expect(pull(desk, LUMINA) == [], f"{LUMINA.name} has no CDRs to read")


def pull(desk: Desk, emsp: Emsp) -> list[Json]:
    """All pages of an eMSP's CDR list."""
    found: list[Json] = []
    path: str | None = "/ocpi/2.2.1/cdrs"
    query: Json | None = {"limit": 50}
    while path:
        answer = desk.ocpi(emsp.partner_id, "GET", path, query=query)
        desk.expect(answer.status == 200, "a page of the eMSP's list is served", answer.text)
        found += answer.json()["data"]
        link = answer.headers.get("link", "")
        path, query = (link[link.index("<") + 1 : link.index(">")], None) if link else (None, None)
        total = int(answer.headers["x-total-count"])
    desk.expect(total == len(found), "X-Total-Count is the number of CDRs served", (total, len(found)))
    return found


def _members(desk: Desk, emsp: Emsp, month: Month) -> Json:
    found: Json = desk.api("FINANCE", "GET", f"/v1/runs/{run_id(emsp, month)}/sessions")
    return found


def _dispute(desk: Desk, month: Month) -> Disputed:
    """The eMSP disputes three sessions of its window."""
    desk.at(month.after(3, 10, 15))
    members = [m for m in _members(desk, RONDE, month)["items"] if m["net"]["amount_minor"] > 400]
    chosen = [members[len(members) * n // 4]["cdr_ref"] for n in (1, 2, 3)]
    reasons = [
        ("ENERGY_TOO_HIGH", "Our app shows that the cable was locked but nothing flowed."),
        ("PRICE_NOT_AS_AGREED", "We expected the price of last year's agreement."),
        ("NOT_OUR_CUSTOMER", "The card was blocked three days before."),
    ]
    for cdr_ref, (reason, text) in zip(chosen, reasons, strict=True):
        claim = {"cdr_ref": cdr_ref, "reason": reason, "text": text}
        made = desk.api("EMSP_USER", "POST", "/v1/disputes", claim, status=201)
        again = desk.api("EMSP_USER", "POST", "/v1/disputes", claim)
        desk.expect(again["dispute_id"] == made["dispute_id"], "filing a dispute twice files it once", again)
    theirs = _members(desk, HERZ, month)["items"][0]["cdr_ref"]
    foreign = desk.ask("EMSP_USER", "POST", "/v1/disputes", {"cdr_ref": theirs, "reason": "FRAUD"})
    desk.expect(foreign.status == 404, "an eMSP cannot dispute another partner's session", foreign.text)
    desk.note(f"{RONDE.name} disputed three sessions")
    return Disputed(*chosen)


def _answer(desk: Desk, month: Month, disputed: Disputed) -> None:
    """The CPO accepts one, rejects one and leaves one."""
    desk.at(month.after(4, 14, 40))
    listed = desk.api("DISPUTE_AGENT", "GET", "/v1/disputes", contract=RONDE.contract_id)["items"]
    number = {d["cdr_ref"]: d["dispute_id"] for d in listed}
    path = "/v1/disputes/{}/answer"
    done = desk.api("DISPUTE_AGENT", "POST", path.format(number[disputed.accepted]), {"outcome": "ACCEPTED"})
    desk.expect(done["state"] == "ACCEPTED", "the CPO accepts the first dispute", done)
    answer = {"outcome": "REJECTED", "answer": "The price is that of version 1, in force since last year."}
    done = desk.api("DISPUTE_AGENT", "POST", path.format(number[disputed.rejected]), answer)
    desk.expect(done["state"] == "REJECTED", "the CPO rejects the second one with a reason", done)
    desk.note("one dispute accepted, one rejected, one left without an answer")


def _late(desk: Desk, month: Month) -> None:
    """A CDR of the month that comes within the window joins the next run (product.md row 50)."""
    for late in after_opening(month):
        desk.at(late.sent_at)
        pushing.push_odd(desk, late)
        assert late.cdr_id
        desk.until(lambda late=late: pushing.trace(desk, late.cdr_id)["session"], "the late CDR is processed")
        pushing.end(desk, late.name, late.cdr_id, "VERIFIED", "")
        session = pushing.trace(desk, late.cdr_id)["session"]
        desk.expect(session.get("run_id") is None, "the late CDR waits for the next run, with a full window", session)
    desk.note("a late CDR came in: it is in no run yet")


def _meanwhile(desk: Desk, month: Month) -> None:
    """An EVSE gets its payee: what was held there is released for the next run (product.md rows 101 and 102)."""
    desk.at(month.after(5, 9, 30))
    for evse in (e for _, e in EVSES if e.later):
        held = [s for s in pushing.listed(desk) if _held_at(s, evse.evse_id)]
        assert evse.later
        assign(desk, [evse.evse_id], evse.later, stamp(month.after(5, 9)))
        refs = {s["cdr_ref"] for s in held}
        desk.until(lambda refs=refs: refs <= _freed(desk), "the sessions held at the EVSE are released", timeout_s=90)
        desk.note(f"{evse.evse_id} got a payee: {len(refs)} held sessions are released for the next run")
        desk.expect(refs, "an EVSE assigned meanwhile releases its held sessions")


def _held_at(session: Json, evse_id: str) -> bool:
    return session["billing"] == "ON_HOLD" and session.get("evse_id") == evse_id.replace("*", "")


def _freed(desk: Desk) -> set[str]:
    return {s["cdr_ref"] for s in pushing.listed(desk) if s["billing"] == "VERIFIED" and not s.get("run_id")}


# ---- lock and documents --------------------------------------------------------------------------------------------
def _close(desk: Desk, month: Month, disputed: Disputed) -> None:
    desk.at(month.after(8, 23, 59))
    desk.run("sweep")
    state = run_of(desk, RONDE, month)["state"]
    desk.expect(state == "WINDOW", "nothing is locked before the window's last minute ends", state)
    desk.at(month.after(9, 0, 1, 3))
    late = desk.ask("EMSP_USER", "POST", "/v1/disputes", {"cdr_ref": _any_member(desk, month), "reason": "FRAUD"})
    told = late.status == 409 and "closed_at_utc" in late.text
    desk.expect(told, "a dispute after the close is 409 with the instant", late.text)
    desk.until(
        lambda: _swept(desk, month, "SENT", "SETTLED"), "runs are locked, numbered, rendered, sent", timeout_s=240
    )
    run = run_of(desk, RONDE, month)
    for emsp in (RONDE, HERZ):
        made = run_of(desk, emsp, month)
        desk.note(f"{emsp.contract_id}: locked {made['locked']} sessions, {euro(made['locked_net'])} net, "
                  f"manifest {made['manifest'][:16]}…")  # fmt: skip
    desk.expect(run["left"] == 2, "of the disputed sessions two left the run: one accepted, one unanswered", run)
    states = {cdr: _state(desk, cdr) for cdr in (disputed.accepted, disputed.rejected, disputed.unanswered)}
    desk.expect(states[disputed.accepted] == ("INVALIDATED", "ACCEPTED"), "the accepted one is invalidated", states)
    desk.expect(states[disputed.rejected] == ("INVOICED", "REJECTED"), "the rejected one is invoiced", states)
    desk.expect(states[disputed.unanswered] == ("ON_HOLD", "OPEN"), "the unanswered one is held, not billed", states)


def _any_member(desk: Desk, month: Month) -> str:
    return str(_members(desk, RONDE, month)["items"][0]["cdr_ref"])


def _state(desk: Desk, cdr_ref: str) -> tuple[str, str]:
    found = desk.api("FINANCE", "GET", f"/v1/cdrs/{cdr_ref}/trace")
    return found["billing"], found["session"]["dispute"]


def invoices(desk: Desk) -> list[Json]:
    """All documents in order of issue."""
    found: list[Json] = desk.api("FINANCE", "GET", "/v1/invoices")["items"]
    return found


def _issued(desk: Desk, month: Month) -> None:
    """Gapless numbers, totals that are the sum of the sessions, VAT as agreed, files in S3."""
    found = invoices(desk)
    numbers = sorted(d["number"] for d in found)
    year = month.end.year
    desk.expect(numbers == [f"ND-{year}-{n:06d}" for n in range(1, 3)], "invoice numbers have no gap", numbers)
    for document in found:
        emsp = next(e for e in people.EMSPS if e.contract_id == document["contract_id"])
        rows = _members(desk, emsp, month)["items"]
        net = sum(row["net"]["amount_minor"] for row in rows)
        desk.expect(net == document["net"]["amount_minor"], f"{document['number']}: Σ sessions = invoice net", net)
        rate = Decimal("0.19") if emsp is HERZ else Decimal(0)
        tax = int((Decimal(net) * rate).quantize(Decimal(1), rounding="ROUND_HALF_UP"))
        desk.expect(tax == document["tax"]["amount_minor"], f"{document['number']}: VAT once on the sum", document)
        day = month.end.replace(day=9).isoformat()
        desk.expect(document["issue_date"] == day, "invoices are dated the day after the window", document)
        files = desk.api("FINANCE", "GET", f"/v1/invoices/{document['number']}")["files"]
        kinds = {file["name"].rsplit(".", 1)[-1] for file in files}
        desk.expect({"pdf", "xml", "xlsx"} <= kinds, "PDF, XML and XLSX lie in S3", kinds)
        desk.note(f"{document['number']} {emsp.name}: net {euro(document['net'])}, VAT {euro(document['tax'])}, "
                  f"total {euro(document['gross'])}, {document['reference']}")  # fmt: skip
    own = [d["contract_id"] for d in desk.api("EMSP_USER", "GET", "/v1/invoices")["items"]]
    desk.expect(own == [RONDE.contract_id], "the eMSP's user sees its own invoice only", own)


def _mailed(desk: Desk, month: Month) -> None:
    """One mail per invoice with PDF and XLSX attached, and links that are signed afresh when they are opened."""
    for document in invoices(desk):
        emsp = next(e for e in people.EMSPS if e.contract_id == document["contract_id"])
        mail = desk.until(lambda d=document: _mail_of(desk, d["number"]), f"the mail with {document['number']} arrives")
        desk.expect(str(mail["To"]) == emsp.mail, "the invoice goes to the contract's contact", mail["To"])
        names = sorted(str(part.get_filename()) for part in mail.iter_attachments())
        kinds = sorted(name.rsplit(".", 1)[-1] for name in names)
        desk.expect(kinds == ["pdf", "xlsx"], "PDF and XLSX are attached", names)
        link = _link(mail)
        desk.expect(link, "the mail carries a signed link", str(mail)[:200])
        answer = desk.stack.http("GET", link)
        desk.expect(answer.status == 302, "the mailed link redirects to a freshly signed address", answer.text)
    desk.expect(len(invoices(desk)) == 2, "two invoices were mailed")
    desk.note("two invoice mails with PDF, XLSX and links arrived")


def read_mail(desk: Desk, path: Any) -> EmailMessage:
    """A mail of the sink."""
    found = message_from_bytes(path.read_bytes(), policy=SMTP)
    assert isinstance(found, EmailMessage)
    return found


def _mail_of(desk: Desk, number: str) -> EmailMessage | None:
    for path in desk.stack.mails():
        mail = read_mail(desk, path)
        if number in str(mail["Subject"]):
            return mail
    return None


def _link(mail: EmailMessage) -> str | None:
    body = mail.get_body(("plain",))
    text = body.get_content() if body else ""
    return next((word.strip("<>()") for word in text.split() if "/links/" in word), None)


def euro(money: Json) -> str:
    """``1,234.56 EUR``."""
    return f"{Decimal(money['amount_minor']) / 100:,.2f} {money['currency']}"


def as_json(value: Any) -> str:
    """For files a person may read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
