"""The check of a lock in the browser comes to what ``verify-lock`` comes to: its script, run by Node.js."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from roamclear.billing import manifest

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="the script runs in Node.js, which this machine lacks")

SCRIPT = """
import { readFileSync } from "node:fs";
import { manifestOf, verify } from "./lockproof.js";
const bodies = process.argv.slice(3).map((name) => ({ name, bytes: new Uint8Array(readFileSync(name)) }));
try {
  const made = manifestOf(readFileSync(process.argv[2], "utf-8"));
  console.log(JSON.stringify(await verify(made, bodies)));
} catch (error) {
  console.log(JSON.stringify({ refused: `${error.constructor.name}: ${error.message}` }));
}
"""
ODD = 'é\u2028\u007f\U0001f50c"\\/'


def locked(number: int, body: bytes, **changes: Any) -> manifest.Locked:
    values = {
        "cdr_ref": f"DEVWK*CDR-{number}{ODD}",
        "sha256": hashlib.sha256(body).hexdigest(),
        "contract_version": 1 + number % 11,
        "rating_version": 1,
        "net_minor": 10**12 + number,
        "currency": "EUR",
    }
    return manifest.Locked.model_validate(values | changes)


def bodies(count: int) -> list[bytes]:
    return [f'{{"id": "CDR-{number}", "total": 1.{number}0}}'.encode() for number in range(count)]


def made(count: int) -> manifest.Manifest:
    members = [locked(number, body) for number, body in enumerate(bodies(count))]
    fees = [
        manifest.LockedFee(code="MONTHLY", contract_version=2, net_minor=4900, currency="EUR"),
        manifest.LockedFee(
            code="KWH", contract_version=10, counted=Decimal("1234.5000"), net_minor=-17, currency="EUR"
        ),
    ]
    terms = {version: f'{{"version":{version}}}' for version in range(1, 12)}
    return manifest.make("voltwerk", "C-RON.2026-10.CLOSE", terms, members, fees[: count % 3])


def in_browser(folder: Path, text: bytes, given: Sequence[bytes]) -> dict[str, Any]:
    files = resources.files("roamclear.console") / "files"
    for name in ("exact.js", "lockproof.js"):
        (folder / name).write_text((files / name).read_text("utf-8"), "utf-8")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "run.js").write_text(SCRIPT)
    (folder / "manifest.json").write_bytes(text)
    names = []
    for number, body in enumerate(given):
        (folder / f"{number}.json").write_bytes(body)
        names.append(f"{number}.json")
    assert NODE is not None
    command = [NODE, "run.js", "manifest.json", *names]
    ran = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 21])
def test_it_finds_the_same_root(tmp_path: Path, count: int) -> None:
    lock = made(count)
    found = in_browser(tmp_path, lock.to_bytes(), bodies(count))
    assert (found["computed"], found["whole"]) == (lock.root, True)
    assert (found["checked"], found["missing"], found["unknown"]) == (count, [], [])


def test_a_changed_body_is_named(tmp_path: Path) -> None:
    lock, given = made(5), bodies(5)
    given[3] = given[3].replace(b"CDR-3", b"CDR-4")
    found = in_browser(tmp_path, lock.to_bytes(), given)
    ours = manifest.verify(lock, given)
    assert (found["whole"], found["missing"], found["unknown"]) == (True, list(ours.missing), ["3.json"])


def test_what_expired_is_told_and_its_hash_compared(tmp_path: Path) -> None:
    lock, given = made(5), bodies(5)
    left = {"roamclear_detail": "EXPIRED", "cdr_ref": "DEVWK*CDR-3", "expired_at": "2035-01-01T12:00:00.000000Z"}
    given[3] = json.dumps(left | {"sha256": hashlib.sha256(given[3]).hexdigest()}).encode()
    found, ours = in_browser(tmp_path, lock.to_bytes(), given), manifest.verify(lock, given)
    assert (found["whole"], found["checked"], found["missing"], found["unknown"]) == (True, 4, [], [])
    assert (ours.holds, ours.checked, ours.missing, ours.unknown) == (True, 4, (), ())
    assert [e["expired_at"] for e in found["expired"]] == [e.expired_at for e in ours.expired] == [left["expired_at"]]
    given[3] = json.dumps(left | {"sha256": "0" * 64}).encode()
    assert in_browser(tmp_path, lock.to_bytes(), given)["unknown"] == ["3.json"]
    assert not manifest.verify(lock, given).holds


@pytest.mark.parametrize(("old", "new"), [(b'"net_minor":4900', b'"net_minor":4901'), (b"1234.5000", b"1234.500"),
                                          (b'"contract_version":1,', b'"contract_version":3,')])  # fmt: skip
def test_a_changed_list_has_another_root(tmp_path: Path, old: bytes, new: bytes) -> None:
    text = made(5).to_bytes()
    assert old in text
    found = in_browser(tmp_path, text.replace(old, new, 1), [])
    assert not found["whole"]


@pytest.mark.parametrize("text", [b"", b"[1]", b"{}", b"null", b'{"format": "roamclear-lock-1", "root": 7}'])
def test_anything_else_is_refused_in_a_sentence(tmp_path: Path, text: bytes) -> None:
    assert in_browser(tmp_path, text, [])["refused"].startswith("NoManifest: This file is no ")
