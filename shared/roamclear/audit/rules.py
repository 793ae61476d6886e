"""How links are hashed and a chain is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from roamclear.audit.model import AuditEntry
from roamclear.kernel import numbers_json
from roamclear.kernel.record import plain

GENESIS = "0" * 64


def digest_of(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of everything but the digest itself."""
    body = {name: value for name, value in entry.dump().items() if name != "digest"}
    return hashlib.sha256(numbers_json.dumps(plain(body), sort_keys=True).encode()).hexdigest()


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
