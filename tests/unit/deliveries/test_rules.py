"""What SES reports is read in both of its spellings, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from roamclear.deliveries.model import What
from roamclear.deliveries.rules import read_failure
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput
from tests.support.handlers import sample


def detail(name: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = sample("take_mail_event", name, message_id="m-1")["detail"]
    return found | changes


def test_a_bounce_names_message_recipient_and_reason() -> None:
    told = read_failure(detail("bounce"))
    assert told is not None
    assert (told.what, told.message_id, told.lasting) == (What.BOUNCED, "m-1", True)
    assert told.recipients == ("finance@ronde.example",)
    assert told.reason == "Permanent · NoEmail · smtp; 550 5.1.1 no such mailbox"


def test_the_same_report_has_the_same_id_and_another_one_another() -> None:
    event = detail("bounce")
    del event["bounce"]["feedbackId"]
    again = numbers_json.loads(numbers_json.dumps(event))
    other = event | {"bounce": event["bounce"] | {"bounceSubType": "MailboxFull"}}
    first, second, third = (read_failure(one) for one in (event, again, other))
    assert first is not None and second is not None and third is not None  # noqa: PT018
    assert first.event_id == second.event_id != third.event_id


@pytest.mark.parametrize(
    ("kind", "sub", "lasting"),
    [
        ("Permanent", "General", True),
        ("Undetermined", "Undetermined", True),
        ("Transient", "MailboxFull", True),
        ("Transient", "General", False),
    ],
)
def test_only_transient_answers_without_a_reason_do_not_last(kind: str, sub: str, lasting: bool) -> None:
    event = detail("bounce")
    event["bounce"] |= {"bounceType": kind, "bounceSubType": sub}
    told = read_failure(event)
    assert told is not None
    assert told.lasting is lasting


def test_a_complaint_and_a_refusal() -> None:
    complaint = read_failure(detail("complaint"))
    assert complaint is not None
    assert (complaint.what, complaint.reason) == (What.COMPLAINED, "abuse")
    refused = read_failure(detail("bounce", eventType="Reject", reject={"reason": "Bad content"}))
    assert refused is not None
    assert (refused.what, refused.recipients, refused.reason) == (
        What.REFUSED,
        ("finance@ronde.example",),
        "Bad content",
    )


def test_good_news_is_no_failure() -> None:
    assert read_failure(detail("bounce", eventType="Delivery")) is None


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "eventType"),
        ({"eventType": "Bounce"}, "eventType"),
        ({"eventType": "Bounce", "mail": {}}, "mail.messageId"),
        ({"eventType": "Bounce", "mail": {"messageId": "m"}}, "timestamp"),
        ({"eventType": "Bounce", "mail": {"messageId": "m", "timestamp": "2026-11-09T08:00:00"}}, "timestamp"),
        ({"eventType": 1, "mail": {"messageId": "m"}}, "eventType"),
    ],
)
def test_anything_else_is_refused_by_the_name_of_the_field(event: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read_failure(event)
    assert error.value.details["field"] == field
