"""Webhooks: what is signed is what is sent, and nothing old or changed is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from roamclear.kernel.numbers_json import loads
from roamclear.notify.webhook import SignedWebhook, sign, verify

NOW = datetime(2026, 11, 9, 6, 30, tzinfo=UTC)
SECRET = b"s3cret"


def call(at: datetime = NOW) -> SignedWebhook:
    return sign(
        event_id="evt-1", kind="invoice.issued", at=at, tenant="issuer-1",
        subject={"number": "RE-1", "due": Decimal("9513.88")}, version=3, secret=SECRET,
    )  # fmt: skip


def test_the_envelope_keeps_exact_numbers() -> None:
    body = loads(call().body)
    assert body == {
        "id": "evt-1", "type": "invoice.issued", "time": "2026-11-09T06:30:00Z", "tenant": "issuer-1",
        "object": {"number": "RE-1", "due": Decimal("9513.88")}, "version": 3,
    }  # fmt: skip
    assert call().body == call().body


def test_a_right_call_is_taken() -> None:
    assert verify(call().headers, call().body, SECRET, NOW + timedelta(minutes=4))


def test_changed_old_early_and_foreign_calls_are_refused() -> None:
    made = call()
    assert not verify(made.headers, made.body + b" ", SECRET, NOW)
    assert not verify(made.headers, made.body, b"other", NOW)
    assert not verify(made.headers, made.body, SECRET, NOW + timedelta(minutes=6))
    assert not verify(made.headers, made.body, SECRET, NOW - timedelta(minutes=6))
    assert not verify({**made.headers, "Webhook-Timestamp": "1"}, made.body, SECRET, NOW)
    assert not verify({}, made.body, SECRET, NOW)
    later = {**made.headers, "Webhook-Timestamp": str(int(made.headers["Webhook-Timestamp"]) + 60)}
    assert not verify(later, made.body, SECRET, NOW)
