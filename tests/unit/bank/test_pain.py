"""Payment files out and status reports in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from lxml import etree

from roamclear.bank import service
from roamclear.bank.model import Address, Debtor, PaymentFile, PaymentGroup, Scheme, Transfer
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money

_TOWN = Address(town="Musterstadt", country="DE", street="Ladeweg", building="7", postcode="12345")
_DEBTOR = Debtor(name="Clearing Müller & Söhne GmbH", iban="DE89370400440532013000", address=_TOWN)
_TRANSFER = Transfer(
    end_to_end_id="PO-2026-000001",
    amount=Money(12345, "EUR"),
    creditor_name="Ladepark Łódź",
    creditor_iban="NL91ABNA0417164300",
    remittance="Statement 2026-10 PO-2026-000001",
)


def _group(*transfers: Transfer, **changes: object) -> PaymentGroup:
    base = PaymentGroup(id="B-1-1", execute_on=date(2026, 11, 23), debtor=_DEBTOR, transfers=transfers or (_TRANSFER,))
    return base.model_copy(update=changes)


def _file(*groups: PaymentGroup, **changes: object) -> PaymentFile:
    base = PaymentFile(
        message_id="B-1",
        created_at=datetime(2026, 11, 21, 9, 0, 5, tzinfo=UTC),
        initiator="Clearing GmbH",
        groups=groups or (_group(),),
    )
    return base.model_copy(update=changes)


def _texts(data: bytes, path: str) -> list[str]:
    root = etree.fromstring(data)
    found = root.findall(".//" + "/".join(f"{{*}}{part}" for part in path.split("/")))
    return [element.text or "" for element in found]


def test_a_file_is_valid_exact_and_the_same_every_time() -> None:
    two = _TRANSFER.model_copy(update={"end_to_end_id": "PO-2", "amount": Money(5, "EUR"), "remittance": None})
    file = _file(_group(_TRANSFER, two))
    data = service.write_payments(file)
    assert data == service.write_payments(file)
    moved = file.model_copy(update={"created_at": file.created_at.astimezone(timezone(timedelta(hours=1)))})
    assert data == service.write_payments(moved)
    assert service.schema_faults(data) == []
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="')
    assert _texts(data, "CtrlSum") == ["123.50", "123.50"]
    assert _texts(data, "NbOfTxs") == ["2", "2"]
    assert _texts(data, "EndToEndId") == ["PO-2026-000001", "PO-2"]
    assert _texts(data, "Dbtr/Nm") == ["Clearing Mueller + Soehne GmbH"]
    assert _texts(data, "Cdtr/Nm") == ["Ladepark Lodz", "Ladepark Lodz"]
    assert _texts(data, "DbtrAgt/FinInstnId/Othr/Id") == ["NOTPROVIDED"]
    assert _texts(data, "CdtrAgt") == []
    assert _texts(data, "ReqdExctnDt/Dt") == ["2026-11-23"]
    assert (_texts(data, "ChrgBr"), _texts(data, "SvcLvl/Cd")) == (["SLEV"], ["SEPA"])


def test_references_instant_and_transfers_outside_sepa() -> None:
    rf = _TRANSFER.model_copy(update={"remittance": None, "reference": "RF18 5390 0754 7034"})
    swiss = _TRANSFER.model_copy(
        update={
            "end_to_end_id": "PO-3",
            "creditor_iban": "CH4431999123000889012",
            "remittance": None,
            "reference": "210000000003139471430009017",
            "creditor_bic": "POFICHBEXXX",
            "creditor_address": Address(town="Bern", country="CH"),
            "amount": Money(100, "CHF"),
        }
    )
    instant = _TRANSFER.model_copy(update={"end_to_end_id": "PO-4", "uetr": "a1b2c3d4-0000-4000-8000-000000000001"})
    groups = (
        _group(rf),
        _group(swiss, id="B-1-2", scheme=Scheme.OTHER),
        _group(instant, id="B-1-3", scheme=Scheme.INSTANT, execute_on=date(2026, 11, 22)),
    )
    data = service.write_payments(_file(*groups))
    assert _texts(data, "CdtrRefInf/Ref") == ["RF18539007547034", "210000000003139471430009017"]
    assert _texts(data, "CdOrPrtry/Cd") == ["SCOR"]
    assert _texts(data, "CdOrPrtry/Prtry") == ["QRR"]
    assert _texts(data, "LclInstrm/Cd") == ["INST"]
    assert _texts(data, "ChrgBr") == ["SLEV", "SHAR", "SLEV"]


def test_zero_and_three_decimal_currencies_keep_their_places() -> None:
    def abroad(end: str, amount: Money) -> Transfer:
        return _TRANSFER.model_copy(
            update={
                "end_to_end_id": end,
                "amount": amount,
                "creditor_bic": "ABNANL2A",
                "creditor_address": Address(town="Town", country="NL"),
            }
        )

    group = _group(abroad("A", Money(500, "JPY")), abroad("B", Money(1234, "KWD")), scheme=Scheme.OTHER)
    data = service.write_payments(_file(group))
    assert _texts(data, "InstdAmt") == ["500", "1.234"]
    assert _texts(data, "CtrlSum") == ["501.234", "501.234"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end_to_end_id": "x" * 36}, "EndToEndId"),
        ({"end_to_end_id": "a//b"}, "EndToEndId"),
        ({"end_to_end_id": "a_b"}, "EndToEndId"),
        ({"amount": Money(0, "EUR")}, "InstdAmt"),
        ({"amount": Money(100_000_000_000, "EUR")}, "InstdAmt"),
        ({"amount": Money(1, "CHF")}, "InstdAmt"),
        ({"creditor_name": "  "}, "Cdtr/Nm"),
        ({"creditor_name": "x" * 71}, "Cdtr/Nm"),
        ({"creditor_iban": "NL91ABNA0417164301"}, "CdtrAcct"),
        ({"creditor_iban": "nl91 abna 0417 1643 00"}, "CdtrAcct"),
        ({"creditor_iban": "CH4431999123000889012"}, "CdtrAcct"),
        ({"creditor_bic": "ABC"}, "CdtrAgt"),
        ({"creditor_lei": "ABC"}, "Cdtr/LEI"),
        ({"uetr": "a1b2c3d4-0000-5000-8000-000000000001"}, "UETR"),
        ({"purpose": "TOOLONG"}, "Purp"),
        ({"reference": "RF18539007547034"}, "RmtInf"),
        ({"reference": "RF19539007547034", "remittance": None}, "RmtInf/Strd"),
        ({"remittance": "x" * 141}, "RmtInf/Ustrd"),
        ({"creditor_address": Address(town="", country="DE")}, "Cdtr/PstlAdr/TwnNm"),
        ({"creditor_address": Address(town="A", country="Germany")}, "Cdtr/PstlAdr/Ctry"),
        ({"creditor_address": Address(town="A", country="DE", lines=("1", "2", "3"))}, "Cdtr/PstlAdr/AdrLine"),
    ],
)
def test_a_bad_transfer_never_leaves(changes: dict[str, object], field: str) -> None:
    file = _file(_group(_TRANSFER.model_copy(update=changes)))
    with pytest.raises(InvalidInput) as refused:
        service.write_payments(file)
    assert any(f"/{field}" in breach for breach in refused.value.details["breaches"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"execute_on": date(2026, 11, 22)}, "ReqdExctnDt"),
        ({"execute_on": date(2026, 11, 20)}, "ReqdExctnDt"),
        ({"execute_on": date(2026, 12, 25)}, "ReqdExctnDt"),
        ({"execute_on": date(2027, 11, 29)}, "ReqdExctnDt"),
        ({"charge_bearer": "SHAR"}, "ChrgBr"),
        ({"id": ""}, "PmtInfId"),
        ({"transfers": ()}, "CdtTrfTxInf"),
        ({"debtor": _DEBTOR.model_copy(update={"iban": "DE00"})}, "DbtrAcct"),
    ],
)
def test_a_bad_group_never_leaves(changes: dict[str, object], field: str) -> None:
    assert any(f"/{field}" in breach for breach in service.payment_breaches(_file(_group(**changes))))


def test_payments_beyond_the_eea_need_the_payers_address() -> None:
    transfer = _TRANSFER.model_copy(update={"creditor_iban": "CH9300762011623852957"})
    bare = _DEBTOR.model_copy(update={"address": None})
    assert service.payment_breaches(_file(_group(transfer, debtor=bare)))
    assert not service.payment_breaches(_file(_group(transfer)))


def test_ids_are_unique() -> None:
    assert service.payment_breaches(_file(_group(_TRANSFER, _TRANSFER)))
    other = _TRANSFER.model_copy(update={"end_to_end_id": "X"})
    assert service.payment_breaches(_file(_group(), _group(other)))
    assert service.payment_breaches(_file(message_id="/x"))


# --- pain.002 ------------------------------------------------------------------------------------------------------


def _report(inner: str, version: str = "10", top: str = "") -> bytes:
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>R1</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>B-1</OrgnlMsgId>{top}</OrgnlGrpInfAndSts>"
        f"{inner}</CstmrPmtStsRpt></Document>"
    ).encode()


def _tx(end: str, status: str, reason: str = "") -> str:
    info = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{end}</OrgnlEndToEndId><TxSts>{status}</TxSts>{info}</TxInfAndSts>"


@pytest.mark.parametrize("version", ["02", "03", "10", "14"])
def test_a_status_at_the_group_holds_for_everything_below(version: str) -> None:
    top = "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>DU01</Cd></Rsn><AddtlInf>seen before</AddtlInf></StsRsnInf>"
    report = service.read_status(_report("", version, top))
    status, reasons = service.status_of(report, "B-1-1", "PO-1")
    assert (status, reasons[0].code, reasons[0].text) == ("RJCT", "DU01", "seen before")
    assert report.original_message_id == "B-1"


def test_a_part_report_gives_each_transfer_its_own() -> None:
    counts = (
        "<NbOfTxsPerSts><DtldNbOfTxs>44</DtldNbOfTxs><DtldSts>ACSP</DtldSts></NbOfTxsPerSts>"
        "<NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs><DtldSts>RJCT</DtldSts></NbOfTxsPerSts>"
    )
    group = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>B-1-1</OrgnlPmtInfId>{_tx('PO-1', 'RJCT', 'AC04')}</OrgnlPmtInfAndSts>"
    accepted = "<OrgnlPmtInfAndSts><OrgnlPmtInfId>B-1-2</OrgnlPmtInfId><PmtInfSts>ACSP</PmtInfSts></OrgnlPmtInfAndSts>"
    report = service.read_status(_report(group + accepted, top="<GrpSts>PART</GrpSts>" + counts))
    assert service.status_of(report, "B-1-1", "PO-1")[0] == "RJCT"
    assert service.status_of(report, "B-1-1", "PO-2") == (None, ())
    assert service.status_of(report, "B-1-2", "PO-3")[0] == "ACSP"
    assert report.counts == (("ACSP", 44), ("RJCT", 1))


def test_a_report_is_read_as_carefully_as_a_statement() -> None:
    for data in (b"<Document/>", _report("")[:-5], b"<!DOCTYPE Document>" + _report("")):
        with pytest.raises(InvalidInput):
            service.read_status(data)
