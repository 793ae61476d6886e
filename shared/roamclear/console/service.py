"""Serves the pages: one document for every page, scripts and styles under the hash of all of them.

The document is asked for anew each time (ETag); what it names stands under a folder of its content's hash and is kept
for ever. A page of an older release that is still open finds its own scripts gone and is told 404, never another
release's.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from importlib import resources
from urllib.parse import quote

from roamclear.console.model import Place, Served

ROOT = "/console"
_DOCUMENT = "index.html"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
#: Addresses of pages; what a page shows is asked of the API, so an id that nobody knows is the page's matter.
_PAGES = re.compile(
    r"(|callback|verify|disputes|disputes/[A-Za-z0-9-]{1,40}|review|review/[A-Za-z0-9.%-]{1,100}|claims"
    r"|claims/[A-Za-z0-9-]{1,40}|documents|documents/[A-Za-z0-9._%-]{1,80}|cdrs/[A-Za-z0-9*._%~ -]{1,200})",
    re.ASCII,
)
_ASSET = re.compile(r"files/([0-9a-f]{16})/([a-z_]+\.(?:css|js|svg))", re.ASCII)
_YEAR = "public, max-age=31536000, immutable"
#: Nothing but our own files and API: no inline script or style, no frame, no plug-in, no text that becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{peers}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "strict-transport-security": "max-age=31536000",
}


def serve(place: Place, path: str, known: str | None = None) -> Served:
    """The answer to ``GET`` of a path below ``/console``; ``known`` is the header If-None-Match.

    404 for whatever is neither a page nor a file of this release. Paths are compared with what there is, never joined
    to a folder, so no spelling leaves it.
    """
    name = path.removeprefix(ROOT).strip("/") if path == ROOT or path.startswith(f"{ROOT}/") else None
    if name == "config.json":
        return _told(place, 200, "application/json", _config(place), {"cache-control": "no-store"})
    if name is not None and _PAGES.fullmatch(name):
        return _unless_known(place, _TYPES["html"], document(), known, "no-cache")
    asset = _ASSET.fullmatch(name or "")
    if asset is not None and asset[1] == release() and asset[2] in files():
        kind = _TYPES[asset[2].rpartition(".")[2]]
        return _unless_known(place, kind, files()[asset[2]], known, _YEAR)
    return _told(place, 404, "text/plain; charset=utf-8", "There is no such page.\n", {"cache-control": "no-store"})


def address(base: str, *parts: str) -> str | None:
    """The address of a page for mails and lists; None on a stage without an address of its own.

    >>> address("https://clearing.example/", "review", "C-RON.2026-10.CLOSE")
    'https://clearing.example/console/review/C-RON.2026-10.CLOSE'
    >>> address("", "documents") is None
    True
    """
    return "/".join([base.rstrip("/") + ROOT, *(quote(part, safe="*") for part in parts)]) if base else None


@lru_cache(maxsize=1)
def files() -> dict[str, str]:
    """The text of every file of the pages, by its name."""
    folder = resources.files("roamclear.console") / "files"
    return {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES}


@lru_cache(maxsize=1)
def release() -> str:
    """The hash of names and contents of all files: the folder under which they are served."""
    digest = hashlib.sha256()
    for name, text in sorted(files().items()):
        digest.update(f"{name}\0{hashlib.sha256(text.encode()).hexdigest()}\0".encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def document() -> str:
    """The one document, naming the files of this release."""
    return files()[_DOCUMENT].replace("{files}", f"{ROOT}/files/{release()}")


def _config(place: Place) -> str:
    told = {"sign_in": place.sign_in, "client_id": place.client_id, "paste_token": place.paste_token}
    return json.dumps(told)


def _unless_known(place: Place, kind: str, text: str, known: str | None, cache: str) -> Served:
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": cache}
    if known is not None and etag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return _told(place, 304, kind, "", headers)
    return _told(place, 200, kind, text, headers)


def _told(place: Place, status: int, kind: str, text: str, headers: dict[str, str]) -> Served:
    peers = "".join(f" {each}" for each in (place.sign_in, *place.uploads.split()) if each)
    policy = {"content-security-policy": _POLICY.replace("{peers}", peers)}
    return Served(status, {"content-type": kind, **_ALWAYS, **policy, **headers}, text)
