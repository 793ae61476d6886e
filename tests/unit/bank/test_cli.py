"""``roamclear bank read``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from roamclear.cli import bank
from tests.support.bank_files import Ntry, Stmt, camt


def _run(path: Path) -> int:
    parser = argparse.ArgumentParser()
    bank.add(parser.add_subparsers())
    arguments = parser.parse_args(["bank", "read", str(path)])
    code: int = arguments.run(arguments)
    return code


def test_a_file_is_printed_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(camt(Stmt([Ntry("1.05"), Ntry("2.00", sign="DBIT")])))
    assert _run(path) == 0
    (statement,) = json.loads(capsys.readouterr().out)["statements"]
    assert statement["booked"] == {"EUR": "-0.95 EUR"}
    assert statement["consistent"] is True
    assert [entry["signed"] for entry in statement["entries"]] == ["1.05 EUR", "-2.00 EUR"]


def test_a_refused_file_gives_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"nothing")
    assert _run(path) == 2
    assert _run(tmp_path / "missing.xml") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2
