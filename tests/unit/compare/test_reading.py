"""Partners' lists as their spreadsheets write them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.compare import reading
from roamclear.compare.columns import TITLES, places, plain
from roamclear.compare.model import MAX_ROWS, Options, Theirs
from roamclear.documents import tables
from roamclear.kernel.errors import InvalidInput


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def read(text: str, **options: Any) -> list[Theirs]:
    mark, table = tables.read_csv(text.encode())
    found = reading.read(table, Options.model_validate(options), zone="Europe/Berlin", currency="EUR", mark=mark)
    return found.rows


WANTED = Theirs(2, "CDR-1", "S-1", "DEABCE001", (at("2026-10-05T10:00:00+00:00"),), Decimal("1020.5"), 123456, "EUR")


@pytest.mark.parametrize(
    "text",
    [
        "CDR ID,Session ID,EVSE ID,Start,Energy (kWh),Net amount,Currency\r\n"
        'CDR-1,S-1,DE*ABC*E001,2026-10-05T10:00:00Z,1020.5,"1,234.56",eur\r\n',
        "CDR-Nummer;Vorgangsnummer;Ladepunkt;Startzeit;Verbrauch (kWh);Betrag netto;Währung\n"
        "CDR-1;S-1;DE-ABC-E001;05.10.2026 12:00;1.020,5;1.234,56 €;EUR\n",
        "Identifiant CDR\tID de session\tPoint de charge\tDate de début\tÉnergie délivrée (kWh)\tMontant HT\n"
        "CDR-1\tS-1\tde*abc*eOO1\t05/10/2026 12:00:00\t1 020,5\t1 234,56 €\n",
        "CDR-nummer|Sessie-ID|Laadpunt|Starttijd|Verbruik (kWh)|Bedrag excl. btw|Munt\n"
        "CDR-1|S-1|DEABCE001|05-10-2026 12:00|1020,5|1234,56|EUR\n",
        "Sessions of October\n\nCDR id,Session id,EVSE id,Date,Time of day,Energy Wh,Net EUR\n"
        "CDR-1,S-1,DE*ABC*E001,2026-10-05,12:00,1020500,1234.56\n",
    ],
    ids=["english", "german", "french", "dutch", "heading, date and time apart, Wh"],
)  # fmt: skip
def test_the_same_row_in_four_languages(text: str) -> None:
    (row,) = read(text)
    assert row == replace(WANTED, row=row.row)


def test_a_local_hour_that_occurs_twice_or_never_may_be_either() -> None:
    rows = read(
        "cdr id;start\n1;25.10.2026 02:30\n2;2026-10-25T02:30:00+01:00\n3;29.03.2026 02:30\n4;25.10.2026 04:00\n"
    )
    assert [r.starts for r in rows] == [
        (at("2026-10-25T00:30:00+00:00"), at("2026-10-25T01:30:00+00:00")),
        (at("2026-10-25T01:30:00+00:00"),),
        (at("2026-03-29T00:30:00+00:00"), at("2026-03-29T01:30:00+00:00")),
        (at("2026-10-25T03:00:00+00:00"),),
    ]


def test_the_zone_of_the_row_goes_before_the_declared_one_and_that_before_the_runs() -> None:
    text = "cdr id;start;zone\n1;2026-10-05 12:00;\n2;2026-10-05 12:00;Europe/London\n3;2026-10-05 12:00;nowhere\n"
    rows = read(text, zone="UTC")
    assert [r.starts for r in rows] == [(at("2026-10-05T12:00:00+00:00"),), (at("2026-10-05T11:00:00+00:00"),), ()]
    assert rows[2].faults == ("start: 'nowhere' is no IANA time zone",)
    assert read(text)[0].starts == (at("2026-10-05T10:00:00+00:00"),)
    assert read("cdr id;start\n1;10/05/2026 12:00\n", day_first=False)[0].starts == (at("2026-10-05T10:00:00+00:00"),)


def test_the_decimal_mark_is_that_of_the_column() -> None:
    rows = read("cdr id;kwh;net\n1;1.234;0,5\n2;12,5;1.000\n")
    assert [(r.energy_kwh, r.amount_minor) for r in rows] == [(Decimal(1234), 50), (Decimal("12.5"), 100000)]
    rows = read('cdr id,kwh,net\n1,"1,234",0.5\n')
    assert [(r.energy_kwh, r.amount_minor) for r in rows] == [(Decimal(1234), 50)]
    assert read("cdr id;kwh\n1;0,125\n")[0].energy_kwh == Decimal("0.125")
    assert read("cdr id;kwh\n1;0.125\n")[0].energy_kwh == Decimal("0.125")
    with pytest.raises(InvalidInput, match="decimal comma and others"):
        read("cdr id;kwh\n1;12.5\n2;12,5\n")


def test_energy_keeps_six_places() -> None:
    rows = read("cdr id;kwh\n1;20,12345678901234567\n2;1E2\n3;20\n")
    assert [r.energy_kwh for r in rows] == [Decimal("20.123457"), None, Decimal(20)]


def test_what_cannot_be_read_is_named_and_the_row_stays() -> None:
    rows = read("cdr id;start;kwh;net;currency\n1;yesterday;much;1e5;EUR\n2;;;5;Euro\n;;;;\nTotal;;;;\n;;;12,00;EUR\n")
    assert rows[0].faults == (
        "energy: this is no number",
        "amount: this is no number",
        "start: this is no date with a time",
    )
    assert (rows[0].starts, rows[0].energy_kwh, rows[0].amount_minor) == ((), None, None)
    assert rows[1].faults == ("currency: currency 'EURO' is not three capital letters (ISO 4217)",)
    assert [r.cdr_id for r in rows] == ["1", "2"]


def test_a_line_that_names_no_session_is_passed_over() -> None:
    mark, table = tables.read_csv(b"cdr id;net\n1;5\n;5\nGesamt:;10\n\n")
    found = reading.read(table, Options(), zone="UTC", currency="EUR", mark=mark)
    assert (len(found.rows), found.passed_over) == (1, 2)


def test_titles_nobody_guesses_can_be_named() -> None:
    text = "Ref;Was;Wann\nCDR-1;12,50;2026-10-05 12:00\n"
    with pytest.raises(InvalidInput, match="found: Ref, Was, Wann"):
        read(text)
    (row,) = read(text, columns={"cdr_id": "Ref", "amount": "was", "start": "WANN"})
    assert (row.cdr_id, row.amount_minor, len(row.starts)) == ("CDR-1", 1250, 1)
    with pytest.raises(InvalidInput, match="no column 'colour'"):
        read(text, columns={"colour": "Was"})


def test_two_columns_of_one_name_are_refused_and_the_more_exact_title_wins() -> None:
    with pytest.raises(InvalidInput, match="two columns are called"):
        read("cdr id;net;net\n1;5;6\n")
    assert read("cdr id;Amount;Net amount\n1;595;500\n")[0].amount_minor == 50000


def test_a_sheet_gives_dates_and_exact_numbers() -> None:
    titles = ("CDR id", "Start (UTC)", "kWh", "Net EUR")
    made = tables.write_xlsx(
        "L", titles, [["1", datetime(2026, 10, 5, 10, tzinfo=UTC), Decimal("20.1"), Decimal("8.34")]],
        created=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    table = tables.read_xlsx(made, max_rows=10, max_columns=10)
    (row,) = reading.read(table, Options(zone="UTC"), zone="Europe/Berlin", currency="EUR").rows
    assert (row.starts, row.energy_kwh, row.amount_minor) == ((at("2026-10-05T10:00:00+00:00"),), Decimal("20.1"), 834)


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", 2)
    with pytest.raises(InvalidInput, match="more than 2 rows"):
        read("cdr id\n1\n2\n3\n")
    assert MAX_ROWS >= 10_000


def test_titles_are_unambiguous() -> None:
    known = [title for titles in TITLES.values() for title in titles]
    assert sorted({title for title in known if known.count(title) > 1}) == []
    assert [title for title in known if plain(title) != title] == []
    assert places(["EVSE id"], {}) == {}


LONG = b"cdr id\n" + b"x" * 200_000
JUNK = [b"", b"\n\n", b",,,\n", b"a;b\n1;2\n", b'"', LONG, b"\xff\xfe\x00", b"\x00", bytes(range(256))]
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def read_bytes(data: bytes) -> list[Theirs]:
    mark, table = tables.read_csv(data)
    return reading.read(table, Options(), zone="UTC", currency="EUR", mark=mark).rows


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_refused_as_a_whole(junk: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_bytes(junk)
    assert refused.value.field == "file"


@given(st.lists(st.lists(CELL, max_size=6), max_size=6), st.sampled_from(",;\t|"))
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_the_cells_every_row_is_read(cells: list[list[str]], mark: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=mark)
    writer.writerow(("cdr id", "evse", "start", "kwh", "net", "currency"))
    writer.writerows(["x", *row] for row in cells)
    try:
        assert len(read(text.getvalue())) == len(cells)
    except InvalidInput as error:
        # The one fault of a whole column.
        if "decimal comma and others" not in error.message:
            raise
