"""Signed webhooks (product.md J.4): HMAC-SHA256 over the timestamp and the exact body."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from roamclear.kernel.numbers_json import dumps
from roamclear.kernel.record import Record
from roamclear.kernel.time import format_instant

#: Receivers refuse what is older: a captured call cannot be played again later.
TOLERANCE_S = 300
MAX_BODY_BYTES = 256_000


class SignedWebhook(Record):
    """A call ready to be sent."""

    event_id: str
    body: bytes
    headers: dict[str, str]


def sign(
    *,
    event_id: str,
    kind: str,
    at: datetime,
    tenant: str,
    subject: Mapping[str, Any],
    version: int,
    secret: bytes,
    occurred: datetime | None = None,
) -> SignedWebhook:
    """The envelope ``id, type, time, tenant, object, version`` with its signature headers.

    ``at`` is the instant of sending, ``occurred`` that of the event; a retry signs anew under the same id, by which
    receivers drop repeats.
    """
    envelope = {"id": event_id, "type": kind, "time": format_instant(occurred or at), "tenant": tenant}
    body = dumps({**envelope, "object": dict(subject), "version": version}, sort_keys=True).encode()
    stamp = str(unix_seconds(at))
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": event_id,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": f"v1={signature(secret, stamp, body)}",
    }
    return SignedWebhook(event_id=event_id, body=body, headers=headers)


def unix_seconds(at: datetime) -> int:
    """Whole seconds since 1970, without a float in between.

    >>> unix_seconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400
    """
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of ``stamp . body``.

    >>> signature(b"k", "1", b"{}")[:12]
    '3dd49b2593d0'
    """
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def verify(headers: Mapping[str, str], body: bytes, secret: bytes, now: datetime) -> bool:
    """Whether a receiver should take a call: signature right and not older than five minutes."""
    stamp = headers.get("Webhook-Timestamp", "")
    if not stamp.isdigit() or len(stamp) > 12 or abs(unix_seconds(now) - int(stamp)) > TOLERANCE_S:
        return False
    expected = f"v1={signature(secret, stamp, body)}"
    return hmac.compare_digest(headers.get("Webhook-Signature", ""), expected)
