"""What the documents name is there: rooms, exceptions, tests, routes, pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from roamclear.journal.model import ExceptionType

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
_PATH = re.compile(r"(?<![\w/.-])(?:shared|functions|infra|tests|events)/[\w./-]*\w")
_ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+(/v1/(?:[\w/:-]|[{<][^}>]*[}>])+)")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_NAME = re.compile(r"[{<][^}>]*[}>]")


def test_every_room_stands_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text().split("## Rooms")[1].split("## Tables")[0]
    named = {name.strip() for row in re.findall(r"^\| ([a-z, ]+) \|", text, re.M) for name in row.split(",")}
    assert named - {"room"} == {p.parent.name for p in (ROOT / "shared" / "roamclear").glob("*/__init__.py")}


def test_every_exception_stands_in_the_runbook() -> None:
    named = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "runbook.md").read_text()))
    assert {kind.value for kind in ExceptionType} - named == set()


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    operations = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    known = {(verb.upper(), _NAME.sub("{}", path)) for path, verbs in operations.items() for verb in verbs}
    gone = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    gone += [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    gone += [f"{verb} {path}" for verb, path in _ROUTE.findall(text) if (verb, _NAME.sub("{}", path)) not in known]
    assert gone == []
