"""An SMTP sink: each mail becomes one .eml file, byte for byte. ``python -m infra.local.mailsink PORT FOLDER``."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Any

from aiosmtpd import smtp

_LIMIT_BYTES = 40_000_000


class Sink:
    """Writes each mail under a running number and its first words."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(len(list(folder.glob("*.eml"))) + 1)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep one mail; the file appears under its name only when it is whole."""
        raw: bytes = envelope.original_content or envelope.content
        subject = str(message_from_bytes(raw, policy=SMTP).get("Subject", ""))
        words = "".join(c if c.isalnum() else "-" for c in subject).strip("-")[:60]
        target = self._folder / f"{next(self._numbers):04d}-{words or 'mail'}.eml"
        part = target.with_suffix(".part")
        part.write_bytes(raw)
        os.replace(part, target)
        return "250 kept"


async def serve(port: int, folder: Path) -> None:
    """Listen on this machine only, until stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    sink = Sink(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: smtp.SMTP(sink, hostname="localhost", data_size_limit=_LIMIT_BYTES, enable_SMTPUTF8=True),
        "127.0.0.1",
        port,
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
