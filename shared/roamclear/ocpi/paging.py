"""Where a page of a Sender interface begins, and how much a page holds (OCPI transport, pagination)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import parse_instant, sort_instant

#: The most objects of a page (``X-Limit``) and bytes of its bodies: Lambda answers carry 6 MB.
MAX_LIMIT = 100
MAX_BYTES = 4_500_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_OFFSET = 10**9


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after ``last``; ``count`` objects lie between the query's start and ``counted_to``."""

    last: str
    counted_to: datetime
    count: int

    def encode(self) -> str:
        """The opaque text of a ``Link``."""
        text = json.dumps([self.last, sort_instant(self.counted_to), self.count])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Position:
        """Read what ``encode`` wrote; anything else is ``InvalidInput``."""
        try:
            padded = text[:1000] + "=" * (-len(text[:1000]) % 4)
            last, counted_to, count = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if not isinstance(last, str) or type(count) is not int or not 0 <= count <= _MAX_OFFSET:
                raise ValueError
            last.encode()
            return cls(last, parse_instant(counted_to), count)
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise InvalidInput("position is none of ours", field="position") from error
