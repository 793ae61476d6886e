"""Writes pain.001.001.09: SEPA credit transfers, SEPA instant, and transfers outside SEPA (banking.md 1.2, 1.3).

The same file gives the same bytes for ever: nothing in it comes from the moment of writing. Rules first, then the
schema, then the bytes leave; a breach stops them.
"""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lxml import etree

from roamclear.bank.letters import transliterate
from roamclear.bank.model import Address, Debtor, PaymentFile, PaymentGroup, Scheme, Transfer
from roamclear.bank.pain_rules import breaches
from roamclear.bank.remittance import compact_reference, is_rf
from roamclear.kernel.errors import InvalidInput, InvariantBroken

VERSION = "pain.001.001.09"
_NAMESPACE = f"urn:iso:std:iso:20022:tech:xsd:{VERSION}"


def write(file: PaymentFile) -> bytes:
    """The message as UTF-8 XML without byte-order mark.

    Raises:
        InvalidInput: a rule of banking.md 1.3 is broken; ``details["breaches"]`` names every field.
        InvariantBroken: the finished message is not valid against its schema.
    """
    found = breaches(file)
    if found:
        raise InvalidInput(f"the payment file may not be written: {found[0]}", field="payment", breaches=found)
    namespaces: Any = {None: _NAMESPACE}
    root = etree.Element(f"{{{_NAMESPACE}}}Document", nsmap=namespaces)
    body = _add(root, "CstmrCdtTrfInitn")
    _header(body, file)
    for group in file.groups:
        _group(body, group)
    etree.indent(root, space=" ")
    data = b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root, encoding="UTF-8") + b"\n"
    faults = schema_faults(data)
    if faults:
        raise InvariantBroken("a payment file is not valid against its schema", faults=faults)
    return data


def schema_faults(data: bytes, version: str = VERSION) -> list[str]:
    """What the schema says against a pain message, at most ten lines; empty means valid."""
    schema = _schema(version)
    if schema.validate(etree.fromstring(data, _parser())):
        return []
    return [f"line {entry.line}: {entry.message[:200]}" for entry in list(schema.error_log)[:10]]


@lru_cache(maxsize=4)
def _schema(version: str) -> Any:
    text = (files("sepaxml") / "schemas" / f"{version}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text, _parser()))


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _add(parent: Any, name: str, text: str | None = None) -> Any:
    element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
    if text is not None:
        element.text = text
    return element


def _path(parent: Any, *names: str, text: str) -> None:
    for name in names:
        parent = _add(parent, name)
    parent.text = text


def _sum(transfers: list[Transfer]) -> str:
    """CtrlSum: arithmetic, even across currencies, two places at least."""
    added = sum((t.amount.to_decimal() for t in transfers), Decimal("0.00"))
    return f"{added:f}"


def _header(body: Any, file: PaymentFile) -> None:
    transfers = [transfer for group in file.groups for transfer in group.transfers]
    header = _add(body, "GrpHdr")
    _add(header, "MsgId", file.message_id)
    _add(header, "CreDtTm", file.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _add(header, "NbOfTxs", str(len(transfers)))
    _add(header, "CtrlSum", _sum(transfers))
    _path(header, "InitgPty", "Nm", text=transliterate(file.initiator))


def _group(body: Any, group: PaymentGroup) -> None:
    info = _add(body, "PmtInf")
    _add(info, "PmtInfId", group.id)
    _add(info, "PmtMtd", "TRF")
    _add(info, "BtchBookg", "true" if group.single_debit else "false")
    _add(info, "NbOfTxs", str(len(group.transfers)))
    _add(info, "CtrlSum", _sum(list(group.transfers)))
    if group.scheme is not Scheme.OTHER or group.category_purpose:
        kind = _add(info, "PmtTpInf")
        if group.scheme is not Scheme.OTHER:
            _path(kind, "SvcLvl", "Cd", text="SEPA")
        if group.scheme is Scheme.INSTANT:
            _path(kind, "LclInstrm", "Cd", text="INST")
        if group.category_purpose:
            _path(kind, "CtgyPurp", "Cd", text=group.category_purpose)
    _path(info, "ReqdExctnDt", "Dt", text=group.execute_on.isoformat())
    _debtor(info, group.debtor)
    _add(info, "ChrgBr", group.charge_bearer or ("SLEV" if group.scheme is not Scheme.OTHER else "SHAR"))
    for transfer in group.transfers:
        _transfer(info, transfer)


def _debtor(info: Any, debtor: Debtor) -> None:
    _party(info, "Dbtr", debtor.name, debtor.address, debtor.lei)
    _path(info, "DbtrAcct", "Id", "IBAN", text=debtor.iban)
    institution = _add(_add(info, "DbtrAgt"), "FinInstnId")
    if debtor.bic:
        _add(institution, "BICFI", debtor.bic)
    else:
        _path(institution, "Othr", "Id", text="NOTPROVIDED")


def _transfer(info: Any, transfer: Transfer) -> None:
    element = _add(info, "CdtTrfTxInf")
    identity = _add(element, "PmtId")
    if transfer.instruction_id:
        _add(identity, "InstrId", transfer.instruction_id)
    _add(identity, "EndToEndId", transfer.end_to_end_id)
    if transfer.uetr:
        _add(identity, "UETR", transfer.uetr)
    amount = _add(_add(element, "Amt"), "InstdAmt", f"{transfer.amount.to_decimal():f}")
    amount.set("Ccy", transfer.amount.currency)
    if transfer.creditor_bic:
        _path(element, "CdtrAgt", "FinInstnId", "BICFI", text=transfer.creditor_bic)
    _party(element, "Cdtr", transfer.creditor_name, transfer.creditor_address, transfer.creditor_lei)
    _path(element, "CdtrAcct", "Id", "IBAN", text=transfer.creditor_iban)
    if transfer.ultimate_creditor:
        _path(element, "UltmtCdtr", "Nm", text=transliterate(transfer.ultimate_creditor))
    if transfer.purpose:
        _path(element, "Purp", "Cd", text=transfer.purpose)
    _remittance(element, transfer)


def _party(parent: Any, role: str, name: str, address: Address | None, lei: str | None) -> None:
    party = _add(parent, role)
    _add(party, "Nm", transliterate(name))
    if address is not None:
        postal = _add(party, "PstlAdr")
        parts = (("StrtNm", address.street), ("BldgNb", address.building), ("PstCd", address.postcode))
        for tag, value in (*parts, ("TwnNm", address.town), ("Ctry", address.country)):
            if value:
                _add(postal, tag, transliterate(value))
        for line in address.lines:
            _add(postal, "AdrLine", transliterate(line))
    if lei:
        _path(party, "Id", "OrgId", "LEI", text=lei)


def _remittance(element: Any, transfer: Transfer) -> None:
    if transfer.reference:
        compact = compact_reference(transfer.reference)
        info = _add(_add(_add(element, "RmtInf"), "Strd"), "CdtrRefInf")
        kind = _add(info, "Tp")
        if is_rf(compact):
            _path(kind, "CdOrPrtry", "Cd", text="SCOR")
            _add(kind, "Issr", "ISO")
        else:
            _path(kind, "CdOrPrtry", "Prtry", text="QRR")
        _add(info, "Ref", compact)
    elif transfer.remittance:
        _path(element, "RmtInf", "Ustrd", text=transliterate(transfer.remittance))
