"""Reading rules that no sample file shows, and everything a hostile or odd file may try."""

from __future__ import annotations

import gzip
import io
import re
import zipfile

import pytest

from roamclear.bank import service
from roamclear.bank.model import Entry, Limits, Sign, Status
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from tests.support.bank_files import IBAN, Ntry, Stmt, Tx, camt


def _entries(data: bytes) -> tuple[Entry, ...]:
    (statement,) = service.read_camt(data).statements
    return statement.entries


def _codes(entry: Entry) -> set[str]:
    return {finding.code for finding in entry.findings}


def test_an_entry_is_read_whole() -> None:
    tx = Tx("12.30", end_to_end="E1", reference="RF18 5390 0754 7034", text=["INV-2026-", "00012"], bank_reference="T1")
    (entry,) = _entries(camt(Stmt([Ntry("12.30", ref="B1", txs=[tx])])))
    (transaction,) = entry.transactions
    assert entry.signed == Money(1230, "EUR")
    assert (entry.account, entry.status) == (IBAN, Status.BOOK)
    assert [r.value for r in transaction.references] == ["RF18539007547034"]
    assert transaction.remittance_lines == ("INV-2026-", "00012")
    assert transaction.counterparty.account == "NL91ABNA0417164300"
    assert transaction.key == f"{entry.key}/T1"


@pytest.mark.parametrize("version", [f"{n:02d}" for n in range(2, 14)])
@pytest.mark.parametrize("kind", ["052", "053", "054"])
def test_every_version_is_read_by_local_name(kind: str, version: str) -> None:
    file = service.read_camt(camt(Stmt([Ntry("1.00")]), kind=kind, version=version))
    assert file.statements[0].head.version == f"camt.{kind}.001.{version}"
    assert len(file.statements[0].entries) == 1


def test_namespace_prefix_and_utf16_are_read() -> None:
    text = camt(Stmt([Ntry("1.00", txs=[Tx("1.00", text=["Grüße"])])])).decode()
    prefixed = re.sub(r"<(/?)([A-Z])", r"<\1c:\2", text).replace("xmlns=", "xmlns:c=")
    for data in (prefixed.encode(), text.replace("UTF-8", "UTF-16").encode("utf-16")):
        (entry,) = _entries(data)
        assert entry.transactions[0].remittance_lines == ("Grüße",)


def test_reversal_does_not_turn_the_sign_round() -> None:
    (entry,) = _entries(camt(Stmt([Ntry("5.00", sign="DBIT", reversal=True)])))
    assert entry.reversal
    assert entry.signed == Money(-500, "EUR")


def test_instructed_amount_is_never_the_settled_one() -> None:
    extra = '<AmtDtls><InstdAmt><Amt Ccy="USD">99.00</Amt></InstdAmt></AmtDtls>'
    (entry,) = _entries(camt(Stmt([Ntry("5.00", txs=[Tx(extra=extra)])])))
    (transaction,) = entry.transactions
    assert transaction.amount == Money(500, "EUR")
    assert transaction.instructed == Money(9900, "USD")


def test_transaction_amount_falls_back_to_the_inner_one() -> None:
    inner = '<AmtDtls><TxAmt><Amt Ccy="EUR">2.00</Amt></TxAmt></AmtDtls>'
    (entry,) = _entries(camt(Stmt([Ntry("5.00", txs=[Tx(extra=inner), Tx("3.00")])])))
    assert [t.amount for t in entry.transactions] == [Money(200, "EUR"), Money(300, "EUR")]
    assert "DETAIL_SUM_DIFFERS" not in _codes(entry)


def test_details_that_do_not_add_up_are_noted_and_the_entry_stands() -> None:
    (entry,) = _entries(camt(Stmt([Ntry("5.00", txs=[Tx("2.00"), Tx("2.00")])])))
    assert entry.amount == Money(500, "EUR")
    assert "DETAIL_SUM_DIFFERS" in _codes(entry)


def test_missing_status_counts_as_booked_in_a_statement_only() -> None:
    statuses = {}
    for kind in ("052", "053", "054"):
        (entry,) = _entries(camt(Stmt([Ntry("1.00", status=None)]), kind=kind))
        statuses[kind] = entry.status
        assert "STATUS_MISSING" in _codes(entry)
    assert statuses == {"052": Status.OTHER, "053": Status.BOOK, "054": Status.OTHER}


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR", "XXXX"])
def test_announcements_move_nothing(status: str) -> None:
    (statement,) = service.read_camt(camt(Stmt([Ntry("1.00", status=status)]))).statements
    assert statement.entries[0].status is not Status.BOOK
    assert dict(statement.end.booked) == {}
    assert statement.end.consistent is True


@pytest.mark.parametrize(
    "amount",
    ["+5.00", "-5.00", "5e2", " 5.00", "5.00 ", "NaN", "٥.00", "5,00", "1.", ".5", "", "1.000001", "0x1", "5.001"],
)
def test_doubtful_amounts_refuse_the_file(amount: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        service.read_camt(camt(Stmt([Ntry(amount)], opening=None)))
    assert refused.value.field == "statement 1/entry 1"


@pytest.mark.parametrize("sign", ["", "C", "CREDIT", "crdt", "CRDT DBIT"])
def test_doubtful_signs_refuse_the_file(sign: str) -> None:
    with pytest.raises(InvalidInput, match="sign"):
        service.read_camt(camt(Stmt([Ntry("1.00", sign=sign)], opening=None)))


@pytest.mark.parametrize(
    "twice", ['<Amt Ccy="EUR">9.00</Amt>', "<CdtDbtInd>DBIT</CdtDbtInd>"], ids=["two amounts", "two signs"]
)
def test_two_amounts_or_signs_are_a_doubt(twice: str) -> None:
    with pytest.raises(InvalidInput, match="exactly one"):
        service.read_camt(camt(Stmt([Ntry("1.00", extra=twice)])))


def test_a_missing_account_or_currency_refuses_the_file() -> None:
    data = camt(Stmt([Ntry("1.00")]))
    without = re.sub(rb"<Acct>.*?</Acct>", b"", data)
    with pytest.raises(InvalidInput, match="account"):
        service.read_camt(without)
    with pytest.raises(InvalidInput, match="currency"):
        service.read_camt(data.replace(b'<Ntry><Amt Ccy="EUR">', b"<Ntry><Amt>"))


def test_balances_that_do_not_fit_are_findings() -> None:
    (statement,) = service.read_camt(camt(Stmt([Ntry("1.00")], closing="1000.00"))).statements
    assert statement.end.consistent is False
    assert [f.code for f in statement.end.findings] == ["BALANCE_DIFFERS"]
    (statement,) = service.read_camt(camt(Stmt([Ntry("1.00")])).replace(b">1000.00<", b">10 00<")).statements
    assert [f.code for f in statement.end.findings] == ["BALANCE_UNREADABLE"]


def test_interim_balances_of_a_page_are_not_the_opening() -> None:
    page = (
        "<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry><SubTp><Cd>INTM</Cd></SubTp></Tp>"
        '<Amt Ccy="EUR">7.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>'
    )
    data = camt(Stmt([Ntry("1.00")])).replace(b"</Acct>", b"</Acct>" + page.encode())
    (statement,) = service.read_camt(data).statements
    assert statement.end.opening is not None
    assert statement.end.opening.amount == Money(100_000, "EUR")


def test_summary_is_compared() -> None:
    total, credit = "<TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries>", "<TtlCdtNtries><Sum>2.00</Sum></TtlCdtNtries>"
    summary = f"<TxsSummry>{total}{credit}</TxsSummry>"
    data = camt(Stmt([Ntry("1.00")])).replace(b"<Ntry>", summary.encode() + b"<Ntry>")
    (statement,) = service.read_camt(data).statements
    assert {f.code for f in statement.end.findings} == {"SUMMARY_COUNT_DIFFERS", "SUMMARY_SUM_DIFFERS"}


# --- identity ------------------------------------------------------------------------------------------------------


def test_the_banks_reference_is_the_identity_whatever_the_message_or_details() -> None:
    bare = camt(Stmt([Ntry("100.00", ref="B1")]), kind="052")
    split = camt(Stmt([Ntry("100.00", ref="B1", txs=[Tx("30.00"), Tx("70.00")])], id="other", number="77"), kind="053")
    (first,), (second,) = _entries(bare), _entries(split)
    assert first.key == second.key
    assert len({t.key for t in second.transactions}) == 2
    assert all(t.key.startswith(second.key) for t in second.transactions)


def test_equal_payments_of_one_day_are_counted_and_not_merged() -> None:
    same = Ntry("10.00", txs=[Tx("10.00", text=["same"])])
    first, second = _entries(camt(Stmt([same, same])))
    assert first.key != second.key
    (again,) = _entries(camt(Stmt([same], id="S9")))
    assert again.key == first.key


@pytest.mark.parametrize("placeholder", ["NONREF", "NOTPROVIDED", "0000", "-"])
def test_placeholders_are_no_identity(placeholder: str) -> None:
    one, two = _entries(camt(Stmt([Ntry("1.00", ref=placeholder), Ntry("2.00", ref=placeholder)])))
    assert one.group_key != two.group_key


def test_a_fee_under_the_same_reference_is_another_entry_of_the_group() -> None:
    credit, fee = _entries(camt(Stmt([Ntry("10.00", ref="B1"), Ntry("0.50", sign="DBIT", ref="B1")])))
    assert credit.group_key == fee.group_key
    assert credit.key != fee.key


def test_transactions_with_one_reference_keep_apart() -> None:
    tx = Tx("1.00", bank_reference="T")
    (entry,) = _entries(camt(Stmt([Ntry("3.00", ref="B", txs=[tx, tx, tx])])))
    assert len({t.key for t in entry.transactions}) == 3


# --- hostile files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE Document [<!ENTITY x "23">]>',
        '<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Document [<!ENTITY % p SYSTEM "http://localhost/x"> %p;]>',
        "<!DOCTYPE Document>",
    ],
)
def test_a_doctype_is_refused(prolog: str) -> None:
    with pytest.raises(InvalidInput):
        service.read_camt(camt(Stmt([Ntry("1.00", txs=[Tx("1.00", text=["INV"])])]), prolog=prolog))


def test_comments_and_instructions_do_not_cut_text() -> None:
    data = camt(Stmt([Ntry("1.00", txs=[Tx("1.00", text=["INVxx123"])])])).replace(b"xx", b"<!-- a --><?b c?>")
    (entry,) = _entries(data)
    assert entry.transactions[0].remittance_lines == ("INV123",)


def test_nested_markup_does_not_cut_text_and_is_no_amount() -> None:
    data = camt(Stmt([Ntry("1.00", txs=[Tx("1.00", text=["INVxx123"])])])).replace(b"xx", b"<b>-9-</b>")
    (entry,) = _entries(data)
    assert entry.transactions[0].remittance_lines == ("INV-9-123",)
    with pytest.raises(InvalidInput):
        service.read_camt(camt(Stmt([Ntry("1<b/>.00")], opening=None)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"%PDF-1.7",
        b"<Document/>",
        b"<Document><BkToCstmrStmt>",
        camt(Stmt([Ntry("1.00")]))[:-20],
        camt(Stmt()) + camt(Stmt()),
        b"<Document>" + b"<a>" * 400 + b"</a>" * 400 + b"</Document>",
        camt(Stmt([Ntry("1.00")])).replace(b"1.00", b"&undefined;"),
    ],
    ids=["empty", "blank", "pdf", "not camt", "cut", "cut late", "two documents", "deep", "entity"],
)
def test_broken_files_are_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        service.read_camt(data)
    assert refused.value.message


def test_many_attributes_are_never_listed() -> None:
    attributes = " ".join(f'a{n}="1"' for n in range(16_000))
    (entry,) = _entries(camt(Stmt([Ntry("1.00")])).replace(b"<CdtDbtInd>", f"<CdtDbtInd {attributes}>".encode(), 3))
    assert entry.sign is Sign.CREDIT


def test_limits_hold() -> None:
    data = camt(Stmt([Ntry("1.00", txs=[Tx("0.50"), Tx("0.50")]), Ntry("2.00")]), Stmt([Ntry("1.00")], id="S2"))
    for limits in (
        Limits(entries=2),
        Limits(statements=1),
        Limits(transactions_per_entry=1),
        Limits(file_bytes=100),
        Limits(member_bytes=600),
    ):
        with pytest.raises(InvalidInput):
            service.read_camt(data, limits)
    assert len(service.read_camt(data).statements) == 2


def test_long_text_is_cut_at_the_limit() -> None:
    (entry,) = _entries(camt(Stmt([Ntry("1.00", txs=[Tx("1.00", text=["x" * 9_000, "y" * 9_000])])])))
    assert [len(line) for line in entry.transactions[0].remittance_lines] == [9_000, 1_000]


# --- containers ----------------------------------------------------------------------------------------------------


def _zip(*members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(members):
            archive.writestr(f"../../{number}.xml", data)
    return buffer.getvalue()


def test_zip_and_gzip_are_opened() -> None:
    data = camt(Stmt([Ntry("1.00")]))
    assert len(service.read_camt(_zip(data, data)).statements) == 2
    assert service.read_camt(gzip.compress(data)) == service.read_camt(data)


@pytest.mark.parametrize(
    "data",
    [
        _zip(),
        _zip(_zip(camt(Stmt()))),
        _zip(gzip.compress(camt(Stmt()))),
        gzip.compress(gzip.compress(camt(Stmt()))),
        gzip.compress(b"<" + b" " * 20_000_000),
        _zip(b"<" + b" " * 20_000_000),
        gzip.compress(camt(Stmt()))[:-12],
        _zip(camt(Stmt()))[:-30],
        _zip(*[b"<a/>"] * 101),
        _zip(b"hello"),
    ],
    ids=[
        "empty",
        "zip in zip",
        "gzip in zip",
        "gzip in gzip",
        "gzip bomb",
        "zip bomb",
        "cut gzip",
        "cut zip",
        "many",
        "text",
    ],
)
def test_bad_archives_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        service.read_camt(data)


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(_zip(camt(Stmt())))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    with pytest.raises(InvalidInput, match="encrypted"):
        service.read_camt(bytes(data))


def test_memory_stays_flat_over_many_entries() -> None:
    import tracemalloc

    def peak(count: int) -> int:
        data = camt(Stmt([Ntry("1.00", ref=f"R{n}") for n in range(count)]))
        tracemalloc.start()
        for _ in service.read_camt_events(io.BytesIO(data)):
            pass
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high

    peak(10)
    assert peak(4_000) < peak(400) + 2_000_000
