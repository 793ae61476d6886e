"""How links are hashed and a chain is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from roamclear.audit.model import AuditEntry
from roamclear.kernel import numbers_json
from roamclear.kernel.record import plain

GENESIS = "0" * 64


def digest_of(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of everything but the digest itself.

    Numbers count by value: DynamoDB gives 1.10 back as 1.1, and 20.0 as 20.
    """
    body = {name: value for name, value in entry.dump().items() if name != "digest"}
    return hashlib.sha256(numbers_json.dumps(_by_value(plain(body)), sort_keys=True).encode()).hexdigest()


def _by_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _by_value(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_by_value(part) for part in value]
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return int(text) if "." not in text else Decimal(text)
    return value


def seal(entry: AuditEntry) -> AuditEntry:
    """The entry with its digest."""
    return entry.model_copy(update={"digest": digest_of(entry)})


def broken_link(entries: Iterable[AuditEntry]) -> int | None:
    """The sequence of the first link that does not hold, or None."""
    previous, expected = GENESIS, 1
    for entry in entries:
        if entry.sequence != expected or entry.previous != previous or entry.digest != digest_of(entry):
            return entry.sequence
        previous, expected = entry.digest, expected + 1
    return None
