"""The outbox rows and the bodies of intake rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.aws import outbox
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Database, Row

acknowledge = outbox.acknowledge


def pending(db: Database, issuer_id: str, before: datetime) -> Iterator[Row]:
    """Facts nobody acknowledged, oldest first."""
    yield from list(outbox.pending(db, issuer_id, before))


def location_of(row: Row) -> dict[str, Any]:
    """The OCPI Location of an intake row."""
    raw: dict[str, Any] = numbers_json.loads(zlib.decompress(row["raw"]))
    return raw
