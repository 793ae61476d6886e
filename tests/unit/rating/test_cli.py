"""``roamclear rate`` and ``roamclear cdr check`` as a person calls them: in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roamclear.cli.main import COMMANDS, build_parser, main
from roamclear.cli.rate import amount
from tests.unit.rating.test_normalise import cdr

TARIFF = {
    "id": "T",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "ENERGY", "price": 0.25, "vat": 10.0, "step_size": 1},
                {"type": "TIME", "price": 1, "vat": 20.0, "step_size": 1},
                {"type": "FLAT", "price": 0.5, "vat": 20.0, "step_size": 1},
            ]
        }
    ],
}
KEYS = (
    *("currency", "total_excl_vat", "total_incl_vat", "energy", "time", "parking", "flat", "reservation"),
    *("billed", "trace", "verification"),
)


def write(folder: Path, name: str, value: Any) -> str:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, default=float))
    return str(path)


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    shared = str(Path(__file__).parents[3] / "shared")
    return subprocess.run(
        [sys.executable, "-m", "roamclear.cli.main", *words],
        capture_output=True,
        timeout=60,
        check=False,
        encoding="utf-8",
        env={"PYTHONPATH": shared, "PYTHONWARNINGS": "error", **environment},
    )


def rate_words(folder: Path, raw_cdr: Any, raw_tariff: Any = TARIFF, zone: str = "Europe/Berlin") -> list[str]:
    files = ["--tariff", write(folder, "t.json", raw_tariff), "--cdr", write(folder, "c.json", raw_cdr)]
    return ["rate", *files, "--time-zone", zone]


def test_one_object_on_stdout_and_nothing_else(tmp_path: Path) -> None:
    periods = [
        {
            "start_date_time": "2026-03-02T08:00:00Z",
            "dimensions": [{"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 0.3334}],
        }
    ]
    done = run(*rate_words(tmp_path, cdr(charging_periods=periods)))
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert set(KEYS) <= set(told)
    # 0.3334 h are 1200.24 s, 1200 s after rounding to whole seconds: a third of an hour.
    assert told["total_excl_vat"] == "5.8333333333"
    assert told["total_incl_vat"] == "6.5"
    assert (told["energy"], told["time"], told["flat"]) == ("5", "0.3333333333", "0.5")
    assert (told["parking"], told["reservation"]) == ("0", "0")
    assert told["billed"] == {"energy_wh": 20000, "time_s": 1200, "parking_s": 0, "reservation_s": 0}
    assert told["verification"]["ok"] is False
    assert told["verification"]["mismatches"][0]["code"] == "TOTAL_COST_EXCL_VAT"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_name_is_printed_on_any_console(tmp_path: Path, encoding: str) -> None:
    done = run(*rate_words(tmp_path, cdr(), {**TARIFF, "id": "T-夜間"}), PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert "T-夜間" in json.loads(done.stdout)["trace"][0]["rule"]


def test_null_where_not_derivable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = [{"type": "ENERGY", "price": 0.25, "step_size": 1}, {"type": "FLAT", "price": 0.5, "step_size": 1}]
    gross = {**TARIFF, "tax_included": "YES", "elements": [{"price_components": prices}]}
    assert main(rate_words(tmp_path, cdr(), gross)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["total_excl_vat"], told["total_incl_vat"]) == (None, "3.125")


@pytest.mark.parametrize(
    ("raw_cdr", "raw_tariff", "zone"),
    [
        ("not json", TARIFF, "Europe/Berlin"),
        ('{"a": NaN}', TARIFF, "Europe/Berlin"),
        ([], TARIFF, "Europe/Berlin"),
        (cdr(charging_periods=[]), TARIFF, "Europe/Berlin"),
        (cdr(start_date_time="soon"), TARIFF, "Europe/Berlin"),
        (cdr(), {**TARIFF, "elements": []}, "Europe/Berlin"),
        (cdr(), "{", "Europe/Berlin"),
        (cdr(), TARIFF, "Mars/Olympus"),
        (cdr(), TARIFF, ""),
        (cdr(), TARIFF, "../../etc/passwd"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], raw_cdr: Any, raw_tariff: Any, zone: str
) -> None:
    assert main(rate_words(tmp_path, raw_cdr, raw_tariff, zone)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("words", [["rate"], ["sell"], ["rate", "--version", "3.0"], ["cdr"], []])
def test_bad_words_are_one_line_and_exit_2(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_missing_file_and_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (str(tmp_path / "none.json"), str(tmp_path)):
        assert main(["cdr", "check", path]) == 2
        told = capsys.readouterr().err
        assert (told.count("\n"), told.count(path)) == (1, 1)


def test_check_prints_findings(tmp_path: Path) -> None:
    path = write(tmp_path, "c.json", cdr(total_energy=5000))
    done = run("cdr", "check", path, "--received-at", "2026-03-02T10:00:00Z")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["result"] == "HOLD"
    assert {"id": "ENERGY_IN_WH", "severity": "HOLD", "field": "total_energy"}.items() <= told["findings"][0].items()


def test_check_tells_what_the_wire_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cdr", "check", write(tmp_path, "c.json", cdr(id="x" * 40))]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["result"], told["findings"][0]["field"]) == ("REJECT", "id")


def test_check_uses_the_present_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = datetime.fromisoformat("2026-03-02T09:00:00+00:00") + timedelta(days=100_000)
    assert main(["cdr", "check", write(tmp_path, "c.json", cdr(end_date_time=end.isoformat()))]) == 0
    assert "IN_FUTURE" in capsys.readouterr().out


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "soon"])
def test_arrival_outside_the_calendar(tmp_path: Path, capsys: pytest.CaptureFixture[str], at: str) -> None:
    assert main(["cdr", "check", write(tmp_path, "c.json", cdr()), "--received-at", at]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_command_can_be_loaded() -> None:
    for word in COMMANDS:
        assert build_parser([word]) is not None


def test_amounts_are_half_up_to_ten_places() -> None:
    assert amount(Decimal("0.00000000005")) == "0.0000000001"
    assert amount(Decimal("-0.00000000005")) == "-0.0000000001"
    assert amount(Decimal("100.00")) == "100"
    assert amount(Decimal("-0")) == "0"
    assert amount(None) is None
