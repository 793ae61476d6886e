"""The pages' own arithmetic, run under Node: digits survive, amounts add up, what is typed is read as it is meant."""

from __future__ import annotations

import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roamclear.console import service
from roamclear.kernel import numbers_json
from roamclear.kernel.money import Money

FILES = Path(service.__file__).parent / "files"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not on PATH; make test needs it for the template")


def node(script: str, value: Any) -> Any:
    """What a script makes of a value; the modules are those of the pages."""
    head = "".join(f'import * as {name} from "{(FILES / name).as_uri()}.js";\n' for name in ("exact", "times", "words"))
    body = f"{head}const given = JSON.parse(process.argv[1]);\nconst made = (() => {{ {script} }})();\n"
    program = body + "process.stdout.write(JSON.stringify(made));"
    command = [str(NODE), "--input-type=module", "--no-warnings", "-e", program, json.dumps(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_numbers_keep_their_digits() -> None:
    told = {
        "net": Decimal("0.10"), "long": Decimal("12345678901234567.890123456789"), "minor": 999999999999999,
        "text": 'a "quoted" 1.50 \\ \u20ac \u0000 text', "deep": [{"n": Decimal("-1E+2")}], "none": None, "yes": True,
    }  # fmt: skip
    text = numbers_json.dumps(told)
    found = node(
        "const v = exact.read(given); return [String(v.net), String(v.long), String(v.minor), v.text, v.none, v.yes,"
        " exact.pretty(v)];",
        text,
    )
    assert found[:3] == ["0.10", "12345678901234567.890123456789", "999999999999999"]
    assert found[3:6] == [told["text"], None, True]
    assert numbers_json.loads(found[6]) == told


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (0, "EUR", "0.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-1234567, "EUR", "−12,345.67 EUR"),
        (999999999999999, "EUR", "9,999,999,999,999.99 EUR"),
        (1234, "ISK", "1,234 ISK"),
        (1234567, "TND", "1,234.567 TND"),
    ],
)
def test_amounts_are_written_with_the_digits_of_their_currency(minor: int, currency: str, shown: str) -> None:
    money = numbers_json.dumps({"amount_minor": minor, "currency": currency})
    assert node("return exact.money(exact.read(given));", money) == shown
    assert str(Money(minor, currency)).replace("-", "−") == shown.replace(",", "")


def test_what_people_type_is_read_exactly_or_not_at_all() -> None:
    given = ["12.30", "12,3", " 7 ", "0.1", "1.234", "-1", "1e3", "", "1.2.3", "١٢", "999999999999.99"]
    found = node('return given.map((each) => exact.typed(each, "EUR")?.toString() ?? null);', given)
    assert found == ["1230", "1230", "700", "10", None, None, None, None, None, None, "99999999999999"]
    assert node('return exact.typed("12.3", "ISK");', None) is None


def test_sums_are_told_by_currency() -> None:
    amounts = [Money(10, "EUR"), Money(20, "EUR"), Money(5, "CHF")]
    text = numbers_json.dumps([{"amount_minor": m.amount_minor, "currency": m.currency} for m in amounts])
    assert node("return exact.total(exact.read(given));", text) == "0.30 EUR + 0.05 CHF"
    assert node("return exact.total([undefined]);", None) == "0"


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ("8.69", "8.69", "0"),
        ("8.69", "8.7", "−0.01"),
        ("0.3", "0.1", "0.2"),
        ("10", "0.0001", "9.9999"),
        ("-1", "1", "−2"),
    ],
)
def test_differences_are_exact(a: str, b: str, told: str) -> None:
    assert node("return exact.difference(given[0], given[1]);", [a, b]) == told


def test_instants_carry_the_zone_on_both_sides_of_a_clock_change() -> None:
    instants = ["2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00Z"]
    found = node('return given.map((each) => times.local(each, "Europe/Berlin"));', instants)
    assert found == ["25 Oct 2026, 02:30 CEST", "25 Oct 2026, 02:30 CET"]
    assert node('return times.local(given, "Nowhere/Known");', instants[0]) == "25 Oct 2026, 00:30 UTC"


def test_deadlines_count_from_the_clock_of_the_api() -> None:
    script = 'times.setClock("2026-11-02T00:00:00.000000Z");return given.map((each) => times.left(each));'
    until = ["2026-11-08T23:00:30Z", "2026-11-02T03:12:30Z", "2026-11-02T00:00:20Z", "2026-11-01T23:59:59Z"]
    assert node(script, until) == ["6 d 23 h", "3 h 12 min", "1 min", None]


def test_every_reason_and_state_has_its_words() -> None:
    from roamclear.billing.model import RunState
    from roamclear.compare.model import Match
    from roamclear.disputes.model import PENDING, Reason, State

    told = node(
        "return [words.REASONS, words.STATES, words.RUN_STATES, words.MATCHES].map((each) => Object.keys(each))"
        ".concat([[...words.PENDING]]);",
        None,
    )
    assert told == [[*Reason], [*State], [*RunState], [*Match], [*PENDING]]
