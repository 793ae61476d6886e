"""What the console answers to a path: pages, files of this release, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from roamclear.console import service
from roamclear.console.model import Place, Served
from roamclear.console.service import serve

PLACE = Place("https://sign-in.example", "client", "https://store.example/inbox")
FOLDER = Path(service.__file__).parent / "files"
SCRIPTS = sorted(FOLDER.glob("*.js"))


def asset(name: str) -> str:
    return f"/console/files/{service.release()}/{name}"


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/",
        "/console/callback",
        "/console/disputes",
        "/console/disputes/D-CB34F7D9335E",
        "/console/review",
        "/console/review/C-RON.2026-10.CLOSE",
        "/console/claims/D-CB34F7D9335E",
        "/console/documents/VW-2026-000001",
        "/console/cdrs/DEVWK*CDR-000001",
        "/console/cdrs/DEVWK%2ACDR-000001",
    ],
)
def test_every_page_is_the_one_document(path: str) -> None:
    answer = serve(PLACE, path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body == service.document()
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/consoles",
        "/v1/me",
        "/console/nothing",
        "/console/index.html",
        "/console/main.js",
        "/console/../v1/me",
        "/console/%2e%2e/%2e%2e/etc/passwd",
        "/console/..%2f..%2fservice.py",
        "/console/files/../service.py",
        "/console/files/0000000000000000/main.js",
        "/console/disputes/../../service.py",
        "/console/cdrs/<img src=x>",
        "/console/cdrs/a/b",
        "/console/disputes/" + "D" * 41,
        "/console/\x00",
        "/console/disputes\n",
    ],
)
def test_whatever_else_is_no_page(path: str) -> None:
    answer = serve(PLACE, path)
    assert (answer.status, answer.headers["cache-control"]) == (404, "no-store")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert path not in answer.body or path in ("", "/")


@pytest.mark.parametrize("name", ["service.py", "..", "../service.py", "%2e%2e/service.py", "files", "MAIN.JS", "x.js"])
def test_only_files_of_this_release_are_given(name: str) -> None:
    assert serve(PLACE, asset(name)).status == 404


def test_files_are_kept_for_ever_under_the_hash_of_all_of_them() -> None:
    for name, text in service.files().items():
        if name == "index.html":
            continue
        answer = serve(PLACE, asset(name))
        assert (answer.status, answer.body) == (200, text)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert serve(PLACE, asset("main.js")).headers["content-type"] == "text/javascript; charset=utf-8"
    assert serve(PLACE, asset("style.css")).headers["content-type"] == "text/css; charset=utf-8"


def test_what_a_browser_has_is_not_sent_again() -> None:
    for path in ("/console/disputes", asset("main.js")):
        first = serve(PLACE, path)
        for known in (first.headers["etag"], f"W/{first.headers['etag']}", f'"other", {first.headers["etag"]}'):
            again = serve(PLACE, path, known)
            assert (again.status, again.body, again.headers["etag"]) == (304, "", first.headers["etag"])
        assert serve(PLACE, path, '"other"').status == 200


def policy(answer: Served) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    return {part[0]: part[1:] for part in parts}


@pytest.mark.parametrize("path", ["/console", "/console/config.json", "/console/nothing"])
def test_nothing_but_our_own_files_runs(path: str) -> None:
    answer = serve(PLACE, path)
    said = policy(answer)
    assert said["default-src"] == ["'none'"]
    assert said["script-src"] == said["style-src"] == said["img-src"] == ["'self'"]
    assert said["connect-src"] == ["'self'", "https://sign-in.example", "https://store.example/inbox"]
    assert said["frame-ancestors"] == said["base-uri"] == said["form-action"] == ["'none'"]
    assert said["require-trusted-types-for"] == ["'script'"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_without_a_sign_in_page_only_this_address_is_called() -> None:
    assert policy(serve(Place(), "/console"))["connect-src"] == ["'self'"]


def test_the_pages_are_told_their_stage_and_nothing_is_kept_of_it() -> None:
    answer = serve(Place("https://sign-in.example", "client"), "/console/config.json")
    assert answer.body == '{"sign_in": "https://sign-in.example", "client_id": "client", "paste_token": false}'
    assert answer.headers["cache-control"] == "no-store"
    assert '"paste_token": true' in serve(Place(paste_token=True), "/console/config.json").body


def test_the_document_has_no_inline_script_and_names_only_what_is_there() -> None:
    text = service.document()
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert not re.search(r"\son\w+=|style=|javascript:|https?:", text)
    named = re.findall(r'(?:src|href)="(/[^"]+)"', text)
    assert len(named) == 3
    assert {serve(PLACE, each).status for each in named} == {200}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_of_texts(path: Path) -> None:
    text = path.read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert word not in text, f"{path.name} says {word}"
    imported = re.findall(r'from "([^"]+)"', text)
    assert all(each.startswith("./") and (FOLDER / each).is_file() for each in imported)
    assert not re.search(r"https?://\w", text), "no other host is named in a script"


def test_what_partners_see_carries_no_product_name() -> None:
    for name, text in service.files().items():
        if name == "lockproof.js":
            continue  # it shows nothing: its words are those of file formats
        # A header of the API, and the command of whoever checks a lock without a browser.
        said = text.replace('"Roamclear-Issuer"', "").replace('"roamclear verify-lock"', "")
        assert "roamclear" not in said.lower(), name
