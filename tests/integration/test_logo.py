"""The issuer's logo: two persons, 72 hours, and documents that are right without it (rules.md 10; row 57)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pikepdf
import pytest
from PIL import Image

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.identity import images, logo
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Grant, Role
from roamclear.identity.rules import COOLING
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.packages import branding
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.fonts import with_fonts
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

RUN = month.REQUEST.run_id


def picture(kind: str = "PNG", size: tuple[int, int] = (300, 80), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def founded() -> Stage:
    stage = fresh()
    b.found_issuer(stage.ctx)
    return stage


def uploaded(stage: Stage, content: bytes, content_type: str = "image/png") -> str:
    """A proposal whose form was used."""
    made, form = logo.begin(stage.ctx, b.actor("ADMIN"), b.ISSUER, content_type)
    stage.ctx.objects.put("exports", form.fields["key"], content, content_type)
    return made.proposal_id


def approved(stage: Stage, content: bytes) -> None:
    proposal = uploaded(stage, content)
    branding.propose(stage.ctx, b.actor("ADMIN"), b.ISSUER, proposal)
    stage.clock.advance(COOLING)
    logo.approve(stage.ctx, b.actor("FINANCE_APPROVER"), b.ISSUER, proposal)


def test_a_second_person_approves_after_72_hours_and_the_contact_is_told(founded: Stage) -> None:
    ctx, checker = founded.ctx, b.actor("FINANCE_APPROVER")
    proposal = uploaded(founded, picture())
    for _ in range(2):
        assert branding.propose(ctx, b.actor("ADMIN"), b.ISSUER, proposal).state == "PROPOSED"
    (mail,) = founded.mail.sent
    assert mail.recipients == ("finance@voltwerk.example",)
    with pytest.raises(Conflict, match="72 hours"):
        logo.approve(ctx, checker, b.ISSUER, proposal)
    founded.clock.advance(COOLING)
    with pytest.raises(Forbidden):
        logo.approve(ctx, b.actor("ADMIN"), b.ISSUER, proposal)
    both = Actor(
        actor_id="admin", grants=tuple(Grant(issuer_id=b.ISSUER, role=Role(r)) for r in ("ADMIN", "FINANCE_APPROVER"))
    )
    with pytest.raises(Forbidden):
        logo.approve(ctx, both, b.ISSUER, proposal)
    founded.ctx.objects.put("exports", f"brand/{b.ISSUER}/{proposal}", picture(size=(9, 9)), "image/png")
    shown, link = logo.shown(ctx, checker, b.ISSUER, proposal)
    for _ in range(2):
        issuer = logo.approve(ctx, checker, b.ISSUER, proposal)
    assert issuer.brand.logo_key == shown.key
    assert link is not None
    assert logo.content(ctx, issuer.brand.logo_key) == picture()
    actions = [e.action for e in audit.history(ctx, b.ISSUER, "ISSUER", b.ISSUER)]
    assert actions == ["CREATED", "LOGO_PROPOSED", "LOGO_APPROVED"]


def test_a_withdrawn_proposal_is_over(founded: Stage) -> None:
    proposal = uploaded(founded, picture())
    branding.propose(founded.ctx, b.actor("ADMIN"), b.ISSUER, proposal)
    assert logo.withdraw(founded.ctx, b.actor("FINANCE_APPROVER"), b.ISSUER, proposal).state == "WITHDRAWN"
    founded.clock.advance(COOLING)
    with pytest.raises(Conflict):
        logo.approve(founded.ctx, b.actor("FINANCE_APPROVER"), b.ISSUER, proposal)


def test_nobody_sets_a_logo_alone(founded: Stage) -> None:
    admin, plain = b.actor("ADMIN"), b.issuer()
    forged = plain.model_copy(update={"brand": plain.brand.model_copy(update={"logo_key": "x/brand/logo-1.png"})})
    with pytest.raises(Conflict):
        identity.save_issuer(founded.ctx, admin, forged)
    approved(founded, picture())
    with pytest.raises(Conflict):
        identity.save_issuer(founded.ctx, admin, plain)
    kept = identity.issuer(founded.ctx, b.ISSUER)
    changed = kept.model_copy(update={"language": "DE"})
    assert identity.save_issuer(founded.ctx, admin, changed).brand.logo_key == kept.brand.logo_key


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        picture()[:-20],
        picture("JPEG")[:-20],
        picture(size=(2500, 2500)),
        picture("JPEG", (2500, 2500)),
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 1_000_001,
        b"\xff\xd8\xff\xd9",
    ],
    ids=["empty", "svg", "pdf", "cut png", "cut jpeg", "large png", "large jpeg", "too many bytes", "no frame"],
)
def test_what_is_no_logo_is_refused(founded: Stage, content: bytes) -> None:
    proposal = uploaded(founded, content)
    with pytest.raises(InvalidInput) as error:
        branding.propose(founded.ctx, b.actor("ADMIN"), b.ISSUER, proposal)
    assert error.value.details["field"] == "file"
    assert founded.mail.sent == []


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
def test_jpegs_are_known_by_their_frame(options: dict[str, Any]) -> None:
    assert images.sniff(picture("JPEG", **options)) == "jpeg"
    assert images.sniff(picture()) == "png"


def test_other_types_persons_and_issuers(founded: Stage) -> None:
    with pytest.raises(InvalidInput):
        logo.begin(founded.ctx, b.actor("ADMIN"), b.ISSUER, "image/svg+xml")
    with pytest.raises(Forbidden):
        logo.begin(founded.ctx, b.actor("FINANCE"), b.ISSUER, "image/png")
    made, _ = logo.begin(founded.ctx, b.actor("ADMIN"), b.ISSUER, "image/png")
    with pytest.raises(InvalidInput, match="nothing was uploaded"):
        logo.propose(founded.ctx, b.actor("ADMIN"), b.ISSUER, made.proposal_id)
    stranger = Actor(actor_id="x", grants=(Grant(issuer_id="other", role=Role.ADMIN),))
    with pytest.raises(NotFound):
        logo.propose(founded.ctx, stranger, "other", made.proposal_id)


# ---- on documents --------------------------------------------------------------------------------------------------
def pdf_of(stage: Stage) -> pikepdf.Pdf:
    (key, *_) = packages.render_documents(stage.ctx, b.ISSUER, RUN)
    return pikepdf.open(io.BytesIO(stage.ctx.objects.get("documents", key) or b""))


def issued(stage: Stage, content: bytes | None) -> Stage:
    with_fonts(stage.ctx)
    month.start(stage)
    if content is not None:
        approved(stage, content)
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    billing.issue(stage.ctx, b.ISSUER, RUN, packages.proof(stage.ctx))
    return stage


def pictures(pdf: pikepdf.Pdf) -> int:
    return len(pdf.pages[0].get_images())


def test_the_logo_stands_on_what_is_issued_and_stays_there() -> None:
    stage = issued(fresh(), picture())
    with pdf_of(stage) as pdf:
        assert pictures(pdf) == 1
    before = stage.ctx.objects.get("documents", f"{b.ISSUER}/{RUN}/VW-2026-000001.pdf")
    approved(stage, picture(size=(80, 80)))
    pdf_of(stage).close()
    assert stage.ctx.objects.get("documents", f"{b.ISSUER}/{RUN}/VW-2026-000001.pdf") == before


@pytest.mark.parametrize("fault", ["gone", "broken"])
def test_a_logo_that_is_gone_or_broken_stops_no_document(fault: str) -> None:
    stage = fresh()
    content = picture()
    if fault == "broken":
        content = content[:60] + bytes(len(content) - 72) + content[-12:]
    issued(stage, content)
    if fault == "gone":
        key = identity.issuer(stage.ctx, b.ISSUER).brand.logo_key
        del stage.ctx.objects.kept["documents", key]  # type: ignore[attr-defined]
    with pdf_of(stage) as pdf:
        assert pictures(pdf) == 0
        assert "factur-x.xml" in pdf.attachments


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    b.found_issuer(stage.ctx)
    with environment(stage):
        yield Api(stage)


def test_a_logo_by_api(api: Api) -> None:
    made = api.call("POST", "/v1/logos", "ADMIN", {"content_type": "image/png"})
    assert (made.status, made.body["upload"]["max_bytes"]) == (201, images.MAX_BYTES)
    path = f"/v1/logos/{made.body['proposal_id']}"
    assert api.call("POST", f"{path}/propose", "ADMIN", {}).status == 422
    api.stage.ctx.objects.put("exports", made.body["upload"]["fields"]["key"], picture(), "image/png")
    assert api.call("POST", f"{path}/propose", "ADMIN", {}).body["state"] == "PROPOSED"
    shown = api.call("GET", path, "FINANCE_APPROVER").body
    assert shown["link"].startswith("https://")
    assert "key" not in shown
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {}).status == 409
    api.stage.clock.advance(COOLING)
    assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {}).body["brand"]["logo_key"]
    assert api.call("POST", f"{path}/withdraw", "ADMIN", {}).body["state"] == "APPROVED"
    assert api.call("POST", "/v1/logos", "VIEWER", {"content_type": "image/png"}).status == 403
