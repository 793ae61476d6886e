"""The console in a real browser: the CPO's queue, the eMSP's review, the trace of a CDR, on the real API."""

# Longer than 400 lines: a browser is started once, and every page is opened on the same desk.

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason, State
from roamclear.documents import tables
from roamclear.identity import service as identity
from roamclear.identity import store
from roamclear.identity.issuer import Brand
from roamclear.identity.model import Grant, Role
from roamclear.kernel.money import Money
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.console import Desk, console, opened

PLANTED = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
LONG = f"Przedsiębiorstwo Ładowania Pojazdów Ηλεκτροφόρτιση Θεσσαλονίκης {PLANTED}"
RUN = month.REQUEST.run_id


def ref(number: int) -> str:
    return f"DEVWK*CDR-{number:06d}"


def file_dispute(desk: Desk, number: int, text: str = "too much", **claim: Any) -> str:
    body = {"cdr_ref": ref(number), "reason": Reason.ENERGY_TOO_HIGH, "text": text} | claim
    return disputes.file(desk.stage.ctx, b.emsp_user(), b.ISSUER, Claim(**body)).dispute_id


def rows(page: Any, count: int) -> None:
    """Wait for so many rows."""
    from playwright.sync_api import expect

    expect(page.locator("tbody tr")).to_have_count(count)


def known(desk: Desk, number: str) -> Any:
    return disputes.dispute(desk.stage.ctx, b.actor(Role.FINANCE), b.ISSUER, number)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An open window of twelve sessions, an agent, somebody of finance, and a reviewer."""
    with console(opened(12)) as made:
        made.person("agent", "DISPUTE_AGENT")
        made.person("finance", "FINANCE")
        made.person("reviewer", "EMSP_USER", contract_id=b.CONTRACT)
        yield made


# ---- signing in ----------------------------------------------------------------------------------------------------
def test_a_page_that_was_asked_for_opens_after_the_sign_in(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console/cdrs/DEVWK*CDR-000001")
    assert page.inner_text("h1") == "Sign in"
    page.fill("textarea[name=token]", "reviewer")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('CDR-000001')")
    assert page.evaluate("JSON.parse(sessionStorage.getItem('console.token')).token") == "reviewer"
    assert page.evaluate("localStorage.length") == 0
    assert not any("reviewer" in path for _, path in desk.requests), "a token never stands in an address"
    page.click("text=Sign out")
    page.wait_for_selector("h1:has-text('Sign in')")
    assert page.evaluate("sessionStorage.getItem('console.token')") is None


def test_a_token_that_nobody_has_is_refused_and_says_so(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console", "stranger")
    page.wait_for_selector(".sign-in .lead")
    assert "no role" in page.inner_text(".sign-in .lead")


def test_the_hosted_sign_in_is_asked_with_a_challenge_and_its_code_leaves_the_address(chromium: Any) -> None:
    """Authorization code with PKCE against a stand-in of the hosted page, which keeps what it was asked."""
    with console(opened(1)) as desk:
        desk.person("reviewer", "EMSP_USER", contract_id=b.CONTRACT)
        context = chromium.new_context()
        page = context.new_page()
        asked: dict[str, Any] = {}
        told = json.dumps({"sign_in": f"{desk.origin}/hosted", "client_id": "client-1", "paste_token": False})
        page.route("**/console/config.json", lambda route: route.fulfill(body=told, content_type="application/json"))

        def authorize(route: Any) -> None:
            asked["url"] = route.request.url
            state = route.request.url.split("state=")[1].split("&")[0]
            back = f"{desk.origin}/console/callback?code=C0DE&state={asked.get('state', state)}"
            route.fulfill(status=302, headers={"location": back})

        def token(route: Any) -> None:
            asked["token"] = route.request.post_data
            body = '{"access_token": "reviewer", "expires_in": 3600}'
            route.fulfill(body=body, content_type="application/json")

        page.route("**/hosted/oauth2/authorize**", authorize)
        page.route("**/hosted/oauth2/token", token)
        page.goto(f"{desk.origin}/console/documents")
        assert page.locator("textarea").count() == 0, "no other stage offers a box for a token"
        page.click("text=Sign in >> nth=-1")
        page.wait_for_selector("h1:has-text('Documents')")
        assert page.url == f"{desk.origin}/console/documents"
        for part in ("response_type=code", "client_id=client-1", "code_challenge_method=S256", "scope=openid"):
            assert part in asked["url"]
        assert _challenge(asked["token"]) in asked["url"]
        assert "grant_type=authorization_code" in asked["token"]
        assert "code=C0DE" in asked["token"]
        # A code that this tab did not ask for is worth nothing.
        page.evaluate("sessionStorage.clear()")
        page.goto(f"{desk.origin}/console/callback?code=STOLEN&state=guess")
        page.wait_for_selector(".sign-in .lead")
        assert (page.url, "STOLEN" in str(asked)) == (f"{desk.origin}/console", False)
        context.close()


def _challenge(body: str) -> str:
    verifier = parse_qs(body)["code_verifier"][0]
    assert len(verifier) == 43
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


# ---- the CPO's queue -----------------------------------------------------------------------------------------------
def test_an_agent_works_through_the_queue(desk: Desk, surf: Any) -> None:
    numbers = [file_dispute(desk, n) for n in range(1, 7)]
    page = surf(desk, "/console", "agent")
    page.wait_for_selector("tbody tr")
    assert page.url.endswith("/console/disputes")
    assert page.inner_text(".summary").startswith("6 disputes, 57.99 EUR claimed")
    for number in numbers[:3]:
        page.check(f"input[aria-label='Select {number}']")
    assert "3 disputes, 27.24 EUR claimed" in page.inner_text(".bulk")
    page.click("text=Accept …")
    assert "Accept 3 disputes, 27.24 EUR claimed?" in page.inner_text("dialog")
    assert "billed with 0.00 EUR net instead of 27.24 EUR" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert {known(desk, n).state for n in numbers} == {State.OPEN}, "Escape does nothing"
    page.click("text=Accept …")
    page.click("dialog button[type=submit]")
    rows(page, 3)
    assert [known(desk, n).state for n in numbers[:3]] == [State.ACCEPTED] * 3
    page.check("input[aria-label='Select all that are loaded']")
    page.click("text=Reject …")
    page.fill("dialog textarea", "Our meter is calibrated.")
    page.click("dialog button[type=submit]")
    page.wait_for_selector(".empty")
    assert {(known(desk, n).state, known(desk, n).answer) for n in numbers[3:]} == {
        (State.REJECTED, "Our meter is calibrated.")
    }
    assert "Nothing waits for a word" in page.inner_text(".empty")


def test_several_are_asked_and_those_that_do_not_go_stay_selected(desk: Desk, surf: Any) -> None:
    numbers = [file_dispute(desk, n) for n in (1, 2)]
    page = surf(desk, "/console/disputes", "agent")
    page.check("input[aria-label='Select all that are loaded']")
    # Meanwhile somebody else answers one of them.
    disputes.reject(desk.stage.ctx, b.actor(Role.FINANCE), b.ISSUER, numbers[0], answer="no")
    page.click("text=Ask for information …")
    page.fill("dialog textarea", "Which meter?")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("h2:has-text('1 of 2 were not done')")
    assert numbers[0] in page.inner_text("dialog")
    assert [known(desk, n).state for n in numbers] == [State.REJECTED, State.INFO_REQUESTED]


def test_filters_stand_in_the_address_and_the_way_back_works(desk: Desk, surf: Any) -> None:
    cheap = file_dispute(desk, 1, claimed=Money(50, "EUR"), reason=Reason.FRAUD)
    dear = file_dispute(desk, 2)
    desk.stage.clock.set(desk.stage.clock.now() + timedelta(days=3))
    page = surf(desk, "/console/disputes?reason=FRAUD", "agent")
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr").count() == 1
    assert page.input_value("select[name=reason]") == "FRAUD"
    page.select_option("select[name=reason]", "")
    page.fill("input[name=claimed]", "1,00")
    page.fill("input[name=age]", "2")
    page.click(".filters button[type=submit]")
    page.wait_for_selector(f"a:has-text('{dear}')")
    assert page.locator(f"a:has-text('{cheap}')").count() == 0
    assert "claimed=1%2C00" in page.url
    assert "age=2" in page.url
    assert any("filed_before_utc=2026-11-02" in path for _, path in desk.requests)
    page.go_back()
    page.wait_for_selector(f"a:has-text('{cheap}')")
    page.goto(f"{desk.origin}/console/disputes?age=9")
    page.wait_for_selector(".empty")
    assert "No dispute fits these filters" in page.inner_text(".empty")
    page.goto(f"{desk.origin}/console/disputes?by=claimed&down=1")
    page.wait_for_selector("th[aria-sort=descending]")
    assert page.inner_text("tbody tr:first-child").startswith(f"\t{dear}")
    page.click("th button:has-text('Claimed')")
    page.wait_for_selector("th[aria-sort=ascending]")
    assert page.inner_text("tbody tr:first-child").startswith(f"\t{cheap}")


def test_one_dispute_side_by_side_and_accepted_in_part(desk: Desk, surf: Any) -> None:
    number = file_dispute(desk, 1, LONG)
    page = surf(desk, "/console/disputes", "agent")
    page.focus(f"a:has-text('{number}')")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog .thread")
    assert page.url.endswith(f"/console/disputes/{number}")
    shown = page.inner_text("dialog")
    for text in (
        "CDR as received",
        "What was priced",
        "The claim",
        "21 kWh x 0.39 = 8.19",
        "Hafenparkhaus",
        "CET",
        LONG,
    ):
        assert text in shown, text
    assert page.inner_text(".billed").startswith("8.69 EUR − 8.69 EUR = 0.00 EUR net will be billed, the whole claim")
    page.fill("input[name=amount]", "9")
    assert "above 0 and up to 8.69 EUR" in page.inner_text(".billed")
    page.fill("input[name=amount]", "2,19")
    assert page.inner_text(".billed").startswith("8.69 EUR − 2.19 EUR = 6.50 EUR net will be billed, a part")
    page.fill("dialog textarea[name=answer]", "half an hour too long")
    page.click("button:has-text('Accept 2.19 EUR')")
    page.wait_for_selector("dialog .badge:has-text('Accepted in part')")
    assert (known(desk, number).state, known(desk, number).accepted) == (State.PARTIAL, Money(219, "EUR"))
    assert "6.50 EUR" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.url.endswith("/console/disputes")
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
    assert page.evaluate("document.activeElement.textContent") == number, "the focus is where it was"


def test_the_keyboard_alone_accepts_several(desk: Desk, surf: Any) -> None:
    numbers = [file_dispute(desk, n) for n in (1, 2)]
    page = surf(desk, "/console/disputes", "agent")
    page.focus("input[aria-label='Select all that are loaded']")
    page.keyboard.press("Space")
    page.focus(".bulk button:has-text('Accept')")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog")
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Shift+Tab")
    page.focus("dialog button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".empty")
    assert {known(desk, n).state for n in numbers} == {State.ACCEPTED}


def test_what_was_asked_for_last_is_shown(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console/documents", "reviewer")
    page.wait_for_selector(".empty")
    slow: list[Any] = []
    page.route("**/v1/disputes?*", lambda route: slow.append(route))
    page.click("nav a:has-text('My disputes')")
    page.click("nav a:has-text('Documents')")
    page.wait_for_selector(".empty:has-text('No document')")
    for route in slow:
        route.continue_()
    page.wait_for_timeout(300)
    assert page.inner_text("h1") == "Documents"
    assert "No document was issued yet" in page.inner_text("main")


def test_roles_without_a_page_are_told_so(desk: Desk, surf: Any) -> None:
    desk.person("holder", "SUB_CPO_USER")
    page = surf(desk, "/console", "holder")
    page.wait_for_selector("h1:has-text('Nothing here yet')")
    assert page.locator("nav a").count() == 0


def test_who_may_only_read_is_offered_nothing(desk: Desk, surf: Any) -> None:
    number = file_dispute(desk, 1)
    desk.person("viewer", "VIEWER")
    page = surf(desk, f"/console/disputes/{number}", "viewer")
    page.wait_for_selector("dialog .thread")
    assert "Your roles do not decide it" in page.inner_text("dialog")
    assert page.locator("dialog form").count() == 0
    assert page.locator("input[type=checkbox]").count() == 0


# ---- the eMSP's review ---------------------------------------------------------------------------------------------
def test_a_reviewer_disputes_a_session_with_evidence(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console", "reviewer")
    page.wait_for_selector("tbody tr")
    assert page.url.endswith(f"/console/review/{RUN}")
    assert page.inner_text(".countdown") == "6 d 23 h left"
    head = page.inner_text("header.run")
    assert "9 Nov 2026, 00:00 CET" in head
    assert "113.64 EUR" in head
    assert "Accept all now" not in head, "the contract does not allow it"
    page.check("tbody tr:nth-child(2) input[type=checkbox]")
    assert "8 %" in page.inner_text("header.run")
    page.click("tbody tr:first-child button.link")
    page.wait_for_selector("dialog form")
    page.select_option("dialog select[name=reason]", "DURATION_WRONG")
    page.fill("dialog input[name=claimed]", "1.20")
    page.fill("dialog textarea[name=text]", LONG)
    files = [{"name": name, "mimeType": "application/pdf", "buffer": body} for name, body in
             (("meter.pdf", b"%PDF-1.7"), ("wrong.pdf", b"MZ"))]  # fmt: skip
    page.set_input_files("dialog input[type=file]", files)
    page.click("text=File this dispute")
    page.wait_for_selector("dialog .thread")
    shown = page.inner_text("dialog")
    assert "meter.pdf" in shown
    assert "not taken" in shown
    assert LONG in shown
    (made,) = disputes.disputes(desk.stage.ctx, b.actor(Role.FINANCE), b.ISSUER, b.CONTRACT)
    assert (made.cdr_ref, made.claimed, made.reason) == (ref(1), Money(120, "EUR"), Reason.DURATION_WRONG)
    with page.expect_download() as download:
        page.click("button:has-text('meter.pdf')")
    assert download.value.path().read_bytes() == b"%PDF-1.7"
    page.keyboard.press("Escape")
    assert "16 %" in page.inner_text("header.run")
    page.click("a:has-text('My disputes')")
    page.wait_for_selector(f"a:has-text('{made.dispute_id}')")
    assert "the CPO by 14 Nov 2026, 00:00 CET" in page.inner_text("tbody")


def test_after_the_close_nothing_can_be_filed(desk: Desk, surf: Any) -> None:
    page = surf(desk, f"/console/review/{RUN}", "reviewer")
    page.wait_for_selector("tbody tr")
    page.click("tbody tr:first-child button.link")
    page.wait_for_selector("dialog form")
    desk.stage.clock.set(month.CLOSES + timedelta(seconds=1))
    page.click("text=File this dispute")
    page.wait_for_selector("dialog .fault")
    assert "the control window closed at" in page.inner_text("dialog .fault")
    page.reload()
    page.wait_for_selector(".countdown:has-text('has closed')")
    page.click("tbody tr:first-child button.link")
    page.wait_for_selector("dialog .panel")
    assert "The window closed at 9 Nov 2026, 00:00 CET" in page.inner_text("dialog")


def test_the_list_is_downloaded_and_compared_and_what_differs_is_disputed(desk: Desk, surf: Any) -> None:
    page = surf(desk, f"/console/review/{RUN}", "reviewer")
    page.wait_for_selector("tbody tr")
    with page.expect_download() as download:
        page.click("text=Download CSV")
    ours = download.value.path().read_text("utf-8-sig")
    assert ours.count(",CDR-0000") == 12
    rows = ["cdr_id,amount"] + [f"CDR-{n:06d},{1 if n == 2 else ''}" for n in range(1, 12)]
    page.click("text=Upload my list to compare")
    sheet = {"name": "ours.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
    page.set_input_files("dialog input[type=file]", sheet)
    page.click("dialog button:has-text('Compare')")
    page.wait_for_selector("dialog table")
    assert "Amounts differ" in page.inner_text("dialog table")
    page.click("text=/Dispute what differs/")
    page.wait_for_selector("dialog.small")
    assert "File disputes on 2 sessions, " in page.inner_text("dialog.small")
    page.click("dialog.small button[type=submit]")
    page.wait_for_selector("text=2 of 2 are disputed now.")
    found = disputes.disputes(desk.stage.ctx, b.actor(Role.FINANCE), b.ISSUER, b.CONTRACT)
    assert sorted(each.cdr_ref for each in found) == [ref(2), ref(12)]


def test_a_sheet_of_disputes_has_a_result_per_row(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console/claims", "reviewer")
    page.click("text=File a sheet of disputes …")
    titles = ("cdr_id", "reason", "claimed_amount", "comment")
    lines = [[ref(1), "FRAUD", None, PLANTED], ["NONE", "FRAUD", None, "x"]]
    made = tables.write_xlsx("Claims", titles, lines, created=month.OPENS)
    page.set_input_files("dialog input[type=file]", {"name": "c.xlsx", "mimeType": "text/plain", "buffer": made})
    page.click("dialog button[type=submit]")
    page.wait_for_selector("text=1 of 2 rows are disputed, 1 were refused.")
    with page.expect_download() as download:
        page.click("dialog a:has-text('Result per row')")
    assert download.value.path().read_bytes().startswith(b"PK")
    page.keyboard.press("Escape")
    rows(page, 1)


def test_the_emsp_answers_what_was_asked_and_escalates_a_rejection(desk: Desk, surf: Any) -> None:
    number = file_dispute(desk, 1)
    agent = b.actor(Role.DISPUTE_AGENT)
    disputes.request_info(desk.stage.ctx, agent, b.ISSUER, number, text=f"Which meter? {PLANTED}")
    page = surf(desk, f"/console/claims/{number}", "reviewer")
    page.wait_for_selector("dialog .thread")
    assert "Your word is due by" in page.inner_text("dialog")
    assert PLANTED in page.inner_text("dialog .thread")
    page.fill("label:has-text('your answer') textarea", "Meter 4711")
    page.click("button:has-text('Answer')")
    page.wait_for_selector("dialog .badge:has-text('Under review')")
    disputes.reject(desk.stage.ctx, agent, b.ISSUER, number, answer="no")
    page.reload()
    page.wait_for_selector("dialog .badge:has-text('Rejected')")
    page.fill("textarea[name=contacts]", "Key account management\n")
    page.fill("label:has-text('Why') textarea", "We insist.")
    page.click("button:has-text('Escalate')")
    page.wait_for_selector("dialog .badge:has-text('Escalated')")
    assert known(desk, number).escalation.contacts == ("Key account management",)


def test_accept_all_is_offered_where_the_contract_allows_it(surf: Any) -> None:
    with console(opened(2, terms={"early_acceptance": True})) as desk:
        desk.person("reviewer", "EMSP_USER", contract_id=b.CONTRACT)
        page = surf(desk, "/console", "reviewer")
        page.click("text=Accept all now …")
        assert "Accept 2 sessions, 17.77 EUR net?" in page.inner_text("dialog")
        page.click("dialog button[type=submit]")
        page.wait_for_selector(".countdown:has-text('has closed')")
        assert page.locator("text=Accept all now").count() == 0


# ---- traces, documents, limits -------------------------------------------------------------------------------------
def test_the_trace_of_a_cdr_opens_from_its_address(desk: Desk, surf: Any) -> None:
    page = surf(desk, f"/console/cdrs/{ref(3)}", "reviewer")
    page.wait_for_selector("h2")
    shown = page.inner_text("main")
    for text in (
        "✓ No rule open",
        "23 kWh x 0.39 = 8.97",
        "9.47 EUR",
        "DE*VWK*E001",
        "5 Oct 2026, 13:30 CEST",
        "SHA-256",
    ):
        assert text in shown, text
    page.click("summary:has-text('The whole CDR')")
    assert '"total_energy": 23' in page.inner_text("pre")
    page.goto(f"{desk.origin}/console/cdrs/DEVWK*NONE")
    page.wait_for_selector(".empty")
    assert "No CDR of yours" in page.inner_text(".empty")


def test_a_cdr_is_found_at_any_issuer_of_a_person(desk: Desk, surf: Any) -> None:
    grants = (
        Grant(issuer_id="another", role=Role.FINANCE),
        Grant(issuer_id=b.ISSUER, role=Role.FINANCE),
    )
    identity.bootstrap(desk.stage.ctx, "both", "both", grants)
    page = surf(desk, f"/console/cdrs/{ref(3)}", "both")
    page.wait_for_selector("h2:has-text('Where it stands')")
    assert page.input_value("select[name=issuer]") == b.ISSUER


def test_the_other_emsp_sees_nothing_of_it(desk: Desk, surf: Any) -> None:
    number = file_dispute(desk, 1)
    desk.person("other", "EMSP_USER", contract_id="C-OTHER")
    page = surf(desk, "/console", "other")
    page.wait_for_selector(".empty")
    assert "There is no control window yet" in page.inner_text(".empty")
    for path in (f"review/{RUN}", f"claims/{number}"):
        page.goto(f"{desk.origin}/console/{path}")
        page.wait_for_selector(".fault")
        assert "NOT_FOUND" in page.inner_text(".fault")
    page.goto(f"{desk.origin}/console/cdrs/{ref(1)}")
    page.wait_for_selector(".empty")


def test_the_issuer_s_name_and_colours_and_nobody_else_s(desk: Desk, surf: Any) -> None:
    brand = Brand(name=f"Ładowanie {PLANTED}"[:80], primary="#F2E205", accent="#003300")
    was = identity.issuer(desk.stage.ctx, b.ISSUER)
    # Two persons and three days, as if they had passed.
    desk.stage.ctx.db.transact(store.issuer_writes(was.model_copy(update={"brand": brand}), was))
    page = surf(desk, "/console/documents", "reviewer", width=390, height=844)
    page.wait_for_selector(".empty")
    assert page.inner_text(".brand").startswith("Ładowanie <img")
    colours = page.evaluate(
        "['--primary', '--on-primary'].map((n) => getComputedStyle(document.body).getPropertyValue(n))"
    )
    assert colours == ["#F2E205", "#14202b"], "a pale colour carries dark words"
    assert "roamclear" not in page.inner_text("body").lower() + page.title().lower()
    assert page.evaluate("document.querySelectorAll('img').length") == 0


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_many_rows_and_long_words_fit_the_width(width: int, height: int, surf: Any) -> None:
    with console(opened(400)) as desk:
        desk.person("reviewer", "EMSP_USER", contract_id=b.CONTRACT)
        desk.person("agent", "DISPUTE_AGENT")
        number, *_ = [file_dispute(desk, n, LONG * 3) for n in range(1, 131)]
        page = surf(desk, "/console", "reviewer", width=width, height=height)
        page.wait_for_selector("tbody tr")
        assert page.locator("tbody tr").count() == 300
        assert "32 %" in page.inner_text("header.run")
        page.click("text=Show all")
        assert page.locator("tbody tr").count() == 400
        _fits(page, width)
        page = surf(desk, "/console/disputes", "agent", width=width, height=height)
        page.click("text=Load all")
        rows(page, 130)
        _fits(page, width)
        page.goto(f"{desk.origin}/console/disputes/{number}")
        page.wait_for_selector("dialog .thread")
        _fits(page, width)
        page.goto(f"{desk.origin}/console/cdrs/{ref(1)}")
        page.wait_for_selector("h2")
        _fits(page, width)


def _fits(page: Any, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate("[...document.querySelectorAll('dialog')].map((each) => each.scrollWidth - each.clientWidth)")
    assert all(each <= 0 for each in wide)


def test_what_could_not_be_reached_is_said_and_tried_again(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console/documents", "reviewer")
    page.wait_for_selector(".empty")
    page.route("**/v1/runs?*", lambda route: route.fulfill(status=503, body="{}", content_type="application/json"))
    page.route("**/v1/runs", lambda route: route.fulfill(status=503, body="<html>", content_type="text/html"))
    page.click("nav a:has-text('Review')")
    page.wait_for_selector(".fault")
    page.unroute("**/v1/runs")
    page.click("text=Try again")
    page.wait_for_selector("tbody tr")


def test_a_sign_in_that_ended_is_asked_for_again(desk: Desk, surf: Any) -> None:
    page = surf(desk, "/console/documents", "reviewer")
    page.wait_for_selector(".empty")
    page.route("**/v1/**", lambda route: route.fulfill(status=401, body='{"message":"Unauthorized"}'))
    page.click("nav a:has-text('Review')")
    page.wait_for_selector("h1:has-text('Sign in')")
    assert "Your sign-in has ended" in page.inner_text(".sign-in")
    assert page.evaluate("sessionStorage.getItem('console.token')") is None
