"""The lock manifest: any change of a byte is seen, offline and at the prompt."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.billing import manifest
from roamclear.kernel.errors import InvalidInput

BODIES = [f'{{"id": "CDR-{n}", "total": 1.{n}0}}'.encode() for n in range(7)]


def made(count: int = 7) -> manifest.Manifest:
    members = [
        manifest.Locked(
            cdr_ref=f"DEVWK*CDR-{n}",
            sha256=hashlib.sha256(BODIES[n]).hexdigest(),
            contract_version=1,
            rating_version=1,
            net_minor=100 + n,
            currency="EUR",
        )
        for n in range(count)
    ]
    return manifest.make("voltwerk", "C-RON.2026-10.CLOSE", {1: '{"price":"0.39"}'}, members)


def test_an_untouched_lock_holds() -> None:
    read = manifest.read(made().to_bytes())
    assert read == made()
    assert manifest.verify(read, BODIES).holds


@given(st.integers(0, 6), st.data())
def test_one_byte_of_any_cdr_breaks_it(which: int, data: st.DataObject) -> None:
    body = BODIES[which]
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
    verdict = manifest.verify(made(), [*BODIES[:which], changed, *BODIES[which + 1 :]])
    assert not verdict.holds
    assert verdict.missing == (f"DEVWK*CDR-{which}",)


@pytest.mark.parametrize("field", ["net_minor", "rating_version", "contract_version", "cdr_ref", "currency"])
def test_any_field_of_a_member_breaks_it(field: str) -> None:
    value = json.loads(made().to_bytes())
    value["members"][3][field] = {"cdr_ref": "DEVWK*X", "currency": "CHF"}.get(field, 999)
    verdict = manifest.verify(manifest.read(json.dumps(value).encode()), BODIES)
    assert not verdict.holds
    assert verdict.computed != verdict.root


def test_terms_order_and_count_are_part_of_it() -> None:
    base = made()
    assert manifest.root_of({"1": "0" * 64}, base.members) != base.root
    assert manifest.root_of(base.terms, reversed(base.members)) != base.root
    assert len({made(n).root for n in range(8)}) == 8
    assert not manifest.verify(base, BODIES[:-1]).holds
    assert not manifest.verify(base, [*BODIES, b"one more"]).holds


def test_nonsense_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="members"):
        manifest.read(b'{"issuer_id":"a","run_id":"b","terms":{},"root":"' + b"0" * 64 + b'"}')


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "cdrs"
    folder.mkdir()
    for n, body in enumerate(BODIES):
        (folder / f"{n}.json").write_bytes(body)
    (tmp_path / "lock.json").write_bytes(made().to_bytes())

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "roamclear.cli.main", "verify-lock", *words]
        return subprocess.run(program, capture_output=True, text=True, check=False)

    good = call(str(tmp_path / "lock.json"), str(folder))
    assert (good.returncode, json.loads(good.stdout)["holds"]) == (0, True)
    (folder / "3.json").write_bytes(BODIES[3] + b" ")
    bad = call(str(tmp_path / "lock.json"), str(folder))
    assert (bad.returncode, json.loads(bad.stdout)["missing"]) == (1, ["DEVWK*CDR-3"])
    assert call(str(tmp_path / "none.json"), str(folder)).returncode == 2
