"""Reading what SES reports of a mail: event publishing (``eventType``) and feedback (``notificationType``) alike."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from roamclear.deliveries.model import Failure, What
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.numbers_json import dumps

_WHAT = {
    "Bounce": (What.BOUNCED, "bounce", "bouncedRecipients"),
    "Complaint": (What.COMPLAINED, "complaint", "complainedRecipients"),
    "Reject": (What.REFUSED, "reject", ""),
    "Rendering Failure": (What.REFUSED, "failure", ""),
}
_INSTANT: TypeAdapter[datetime] = TypeAdapter(datetime)
_MOST = 50


def read_failure(event: Mapping[str, Any]) -> Failure | None:
    """The failure that an SES event tells of; None for events that tell of none (sent, delivered, opened).

    Raises:
        InvalidInput: it is no SES event; the field is named.
    """
    kind = event.get("eventType") or event.get("notificationType")
    mail = event.get("mail")
    if not isinstance(kind, str) or not isinstance(mail, Mapping):
        raise InvalidInput("this is no event of the mail service", field="eventType")
    if kind not in _WHAT:
        return None
    what, name, listed = _WHAT[kind]
    told = event.get(name)
    told = told if isinstance(told, Mapping) else {}
    rows = [row for row in told.get(listed, ()) if isinstance(row, Mapping)][:_MOST]
    to = tuple(str(row.get("emailAddress", ""))[:254].lower() for row in rows) or _addresses(mail)
    message_id = mail.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        raise InvalidInput("the event names no message", field="mail.messageId")
    digest = hashlib.sha256(dumps(dict(event), sort_keys=True).encode()).hexdigest()
    return Failure(
        event_id=str(told.get("feedbackId") or digest)[:200],
        message_id=message_id[:200],
        what=what,
        lasting=not (told.get("bounceType") == "Transient" and told.get("bounceSubType") == "General"),
        recipients=to,
        reason=_reason(told, rows),
        at_utc=_instant(told.get("timestamp") or mail.get("timestamp")),
    )


def _addresses(mail: Mapping[str, Any]) -> tuple[str, ...]:
    found = mail.get("destination")
    return tuple(str(a)[:254].lower() for a in found[:_MOST]) if isinstance(found, list) else ()


def _reason(told: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> str:
    names = ("bounceType", "bounceSubType", "complaintFeedbackType", "reason", "errorMessage")
    parts = [str(told[name]) for name in names if told.get(name)]
    parts += [str(row["diagnosticCode"]) for row in rows[:1] if row.get("diagnosticCode")]
    return " · ".join(" ".join(part.split()) for part in parts)[:300]


def _instant(value: object) -> datetime:
    try:
        found = _INSTANT.validate_python(value)
    except ValidationError as error:
        raise InvalidInput("the event has no instant", field="timestamp") from error
    if found.tzinfo is None:
        raise InvalidInput("the event's instant has no zone", field="timestamp")
    return found
