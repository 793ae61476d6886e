"""SES over the raw-mail call (v1 keeps attachments byte for byte)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from roamclear.kernel.errors import InvariantBroken, Unavailable

LIMIT_BYTES = 10_000_000


@dataclass(slots=True)
class Ses:
    """``Mailer`` over SES."""

    client: Callable[[], Any]

    def send(self, raw: bytes, *, sender: str, recipients: Sequence[str]) -> str:
        """Send one MIME message of 7-bit lines; returns the SES message id."""
        if not raw.isascii() or len(raw) > LIMIT_BYTES:
            raise InvariantBroken("a mail is 7-bit and at most 10 MB", size=len(raw))
        try:
            answer = self.client().send_raw_email(
                Source=sender, Destinations=list(recipients), RawMessage={"Data": raw}
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable("the mail service did not take a mail") from error
        return str(answer["MessageId"])
