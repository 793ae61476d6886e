"""Where the console stands, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """What the pages are told of their stage.

    ``sign_in`` is the origin of the hosted sign-in page, ``client_id`` who asks there; both empty where there is none.
    ``uploads`` are the addresses to which a browser may post files. ``paste_token`` offers a box for a token: stage
    local only.
    """

    sign_in: str = ""
    client_id: str = ""
    uploads: str = ""
    paste_token: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """One answer: status, headers in lower case, and text."""

    status: int
    headers: Mapping[str, str]
    body: str
