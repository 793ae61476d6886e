"""Mails lead to the page where one acts on them; the page asks for a sign-in, so no link carries a right."""

from __future__ import annotations

import email
import email.policy
import re
from urllib.parse import urlsplit

from roamclear.billing import service as billing
from roamclear.console.model import Place
from roamclear.console.service import serve
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.kernel.writes import Table
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.moto_stack import Stage


def links(stage: Stage, since: int = 0) -> dict[str, set[str]]:
    """The pages named in the text part of each mail from a place on, by its recipients."""
    found: dict[str, set[str]] = {}
    for mail in stage.mail.sent[since:]:
        body = email.message_from_bytes(mail.raw, policy=email.policy.default).get_body(("plain",))
        assert body is not None
        urls = set(re.findall(r"https?://\S+/console\S*", body.get_content()))
        found.setdefault(",".join(mail.recipients), set()).update(urls)
    return found


def test_each_side_is_led_to_its_own_page(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    base = stage.ctx.public_base_url
    assert links(stage) == {"finance@ronde.example": {f"{base}/console/review/{run.run_id}"}}
    since = len(stage.mail.sent)
    claim = Claim(cdr_ref="DEVWK*CDR-000001", reason=Reason.FRAUD, text="not ours")
    made = disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, claim)
    disputes.withdraw(stage.ctx, b.emsp_user(), b.ISSUER, made.dispute_id)
    for row in list(stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX")):
        if row["fact"].startswith("dispute."):
            disputes.tell(stage.ctx, row)
    assert links(stage, since) == {
        "finance@voltwerk.example": {f"{base}/console/disputes/{made.dispute_id}"},
        "finance@ronde.example": {f"{base}/console/claims/{made.dispute_id}"},
    }
    every = {url for urls in links(stage).values() for url in urls}
    assert {serve(Place(), urlsplit(url).path).status for url in every} == {200}
    assert not any(urlsplit(url).query for url in every)
    assert billing.run(stage.ctx, b.ISSUER, run.run_id).notice_ids


def test_a_stage_without_an_address_names_none(stage: Stage) -> None:
    object.__setattr__(stage.ctx, "public_base_url", "")
    month.start(stage)
    month.push(stage, b.cdr(1))
    month.open_run(stage)
    assert links(stage) == {"finance@ronde.example": set()}
