"""The inside of a camt entry: amounts, signs, transactions, references, charges, returns (banking.md 2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from roamclear.bank import xml
from roamclear.bank.model import Charge, Finding, Party, Reference, Return, Sign, Transaction
from roamclear.bank.remittance import classify_reference, find_references
from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.kernel.money import Money

_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,5})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,11})?", re.ASCII)


def amount_of(element: xml.Element | None, place: str) -> Money:
    """An ISO amount, exactly; signs, exponents, blanks and other digits are refused, so are parts of a minor unit.

    Raises:
        InvalidInput: missing, malformed, without currency, or not whole minor units.
    """
    if element is None or len(element):
        raise InvalidInput("an amount is missing or not plain", field=place)
    currency = element.get("Ccy") or ""
    if not _CURRENCY.fullmatch(currency):
        raise InvalidInput("an amount without a currency", field=place)
    raw = element.text or ""
    if not _AMOUNT.fullmatch(raw):
        raise InvalidInput("an amount is not a plain decimal number", field=place)
    try:
        return Money.exact(Decimal(raw), currency)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=place) from error
    except InvariantBroken as error:
        raise InvalidInput("an amount beyond the limit", field=place) from error


def sign_of(element: xml.Element, place: str) -> Sign:
    """CRDT or DBIT and nothing else; ``InvalidInput`` otherwise."""
    raw = xml.text_of(element) or ""
    if raw not in ("CRDT", "DBIT"):
        raise InvalidInput("the sign is neither CRDT nor DBIT", field=place)
    return Sign(raw)


def same_amount(given: str, minor: int, currency: str) -> bool:
    """Whether a decimal text is that many minor units."""
    if not _AMOUNT.fullmatch(given):
        return False
    return Decimal(given) == Money(minor, currency).to_decimal()


def bank_code(element: xml.Element | None) -> str:
    """Bank transaction code: ``PMNT/RCDT/ESCT``, and the proprietary one after a blank.

    Empty where there is none: every optional element is really optional.
    """
    if element is None:
        return ""
    domain = xml.first(element, "Domn")
    codes = [xml.text(domain, "Cd"), xml.text(domain, "Fmly", "Cd"), xml.text(domain, "Fmly", "SubFmlyCd")]
    parts = ["/".join(code for code in codes if code), xml.text(element, "Prtry", "Cd") or ""]
    return " ".join(part for part in parts if part)[:100]


def transaction_fields(element: xml.Element, index: int, place: str, text_limit: int) -> dict[str, Any]:
    """Fields of one ``TxDtls``; sign and amount may be None until the entry around it is known."""
    parts = xml.kids(element)
    refs = {name: xml.text_of(child, 140) for name, child in xml.kids(parts.get("Refs")).items()}
    details, mark, remittance = parts.get("AmtDtls"), parts.get("CdtDbtInd"), parts.get("RmtInf")
    lines = _lines(remittance, text_limit)
    structured = xml.every(remittance, "Strd")
    extra = [xml.text_of(e, 500) for s in structured for e in xml.every(s, "AddtlRmtInf")]
    extra.append(xml.text_of(parts.get("AddtlTxInf"), 500))
    parties, agents = parts.get("RltdPties"), parts.get("RltdAgts")
    return {
        "index": index,
        "amount": _settled(parts.get("Amt"), details, place),
        "sign": None if mark is None else sign_of(mark, place),
        "end_to_end_id": refs.get("EndToEndId"),
        "instruction_id": refs.get("InstrId"),
        "payment_id": refs.get("PmtInfId"),
        "message_id": refs.get("MsgId"),
        "transaction_id": refs.get("TxId"),
        "uetr": refs.get("UETR"),
        "bank_reference": refs.get("AcctSvcrRef"),
        "mandate_id": refs.get("MndtId"),
        "instructed": None if details is None else _amount_or_none(xml.first(details, "InstdAmt", "Amt")),
        "exchange_rate": None if details is None else _rate(details),
        "references": _references(structured, lines),
        "document_numbers": _documents(structured),
        "remittance_lines": tuple(lines),
        "additional": " ".join(text for text in extra if text)[:2000],
        "debtor": _party(parties, agents, "Dbtr"),
        "creditor": _party(parties, agents, "Cdtr"),
        "returned": _return(parts.get("RtrInf")),
        "bank_code": bank_code(parts.get("BkTxCd")),
        "charges": charges_of(xml.every(element, "Chrgs"), place, []) if "Chrgs" in parts else (),
        "purpose": xml.text(parts.get("Purp"), "Cd"),
    }


def _lines(remittance: xml.Element | None, left: int) -> list[str]:
    lines = []
    for child in xml.every(remittance, "Ustrd"):
        line = xml.text_of(child, max(left, 0))
        if line:
            lines.append(line)
            left -= len(line)
    return lines


def _settled(amount: xml.Element | None, details: xml.Element | None, place: str) -> Money | None:
    """``TxDtls/Amt``, else ``AmtDtls/TxAmt/Amt``; never ``InstdAmt``, which is what was asked for, not what came."""
    if amount is not None:
        return amount_of(amount, place)
    inner = xml.first(details, "TxAmt", "Amt")
    return None if inner is None else amount_of(inner, place)


def _amount_or_none(element: xml.Element | None) -> Money | None:
    if element is None:
        return None
    try:
        return amount_of(element, "")
    except InvalidInput:
        return None


def _rate(details: xml.Element | None) -> Decimal | None:
    for name in ("TxAmt", "CntrValAmt", "InstdAmt"):
        raw = xml.text(details, name, "CcyXchg", "XchgRate")
        if raw and _RATE.fullmatch(raw):
            return Decimal(raw)
    return None


def _references(structured: Sequence[xml.Element], lines: Sequence[str]) -> tuple[Reference, ...]:
    found: dict[str, Reference] = {}
    for element in structured:
        value = xml.text(element, "CdtrRefInf", "Ref") or xml.text(element, "CdtrRefInf", "CdtrRef")
        if value:
            reference = classify_reference(value)
            found.setdefault(reference.value, reference)
    if lines:
        for reference in find_references(" ".join(lines)):
            found.setdefault(reference.value, reference)
    return tuple(found.values())


def _documents(structured: Sequence[xml.Element]) -> tuple[str, ...]:
    found = []
    for element in structured:
        for document in xml.every(element, "RfrdDocInf"):
            number = xml.text(document, "Nb") or xml.text(document, "RfrdDocNb")
            if number:
                found.append(number[:140])
    return tuple(found)


def _party(parties: xml.Element | None, agents: xml.Element | None, role: str) -> Party:
    party, account = xml.first(parties, role), xml.first(parties, f"{role}Acct", "Id")
    agent = xml.first(agents, f"{role}Agt", "FinInstnId")
    iban = xml.text(account, "IBAN") or xml.text(account, "Othr", "Id") or xml.text(account, "PrtryAcct", "Id")
    name = xml.text(party, "Pty", "Nm") or xml.text(party, "Nm") or xml.text(party, "Agt", "FinInstnId", "Nm")
    if name is None and iban is None and agent is None:
        return _NOBODY
    return Party(
        name=name[:140] if name else None,
        account="".join(iban.split()).upper()[:70] if iban else None,
        bank=xml.text(agent, "BICFI") or xml.text(agent, "BIC"),
    )


_NOBODY = Party()


def _return(element: xml.Element | None) -> Return | None:
    if element is None:
        return None
    reason = xml.first(element, "Rsn")
    if reason is None:
        reason = xml.first(element, "RtrRsn")
    texts = [xml.text_of(child, 500) for child in xml.every(element, "AddtlInf")]
    return Return(
        reason=xml.text(reason, "Cd") or xml.text(reason, "Prtry"),
        text=" ".join(text for text in texts if text)[:1000],
    )


def charges_of(elements: Sequence[xml.Element], place: str, findings: list[Finding]) -> tuple[Charge, ...]:
    """Charges as records (``Chrgs/Rcrd``) or directly (versions .02 and .03); unreadable ones are a finding."""
    charges = []
    for record in [r for element in elements for r in (xml.every(element, "Rcrd") or [element])]:
        amount = _amount_or_none(xml.first(record, "Amt"))
        if amount is None:
            amount = _amount_or_none(xml.first(record, "TtlChrgsAndTaxAmt"))
        if amount is None:
            findings.append(Finding(code="CHARGE_UNREADABLE", place=place, message="a charge has no plain amount"))
            continue
        charges.append(
            Charge(
                amount=amount,
                sign=Sign.CREDIT if xml.text(record, "CdtDbtInd") == Sign.CREDIT else Sign.DEBIT,
                included=xml.text(record, "ChrgInclInd") == "true",
                bearer=xml.text(record, "Br"),
            )
        )
    return tuple(charges)


def complete(drafts: list[dict[str, Any]], amount: Money, sign: Sign, code: str, additional: str) -> list[Transaction]:
    """Transactions with the entry's sign where they have none of their own.

    A lone one without an amount has the entry's; where the bank gave no details one is made.
    """
    if not drafts:
        return [Transaction(key="", index=0, amount=amount, sign=sign, bank_code=code, additional=additional)]
    if len(drafts) == 1 and drafts[0]["amount"] is None:
        drafts[0]["amount"] = amount
    return [Transaction(key="", **{**draft, "sign": draft["sign"] or sign}) for draft in drafts]


def compare(
    transactions: Sequence[Transaction],
    amount: Money,
    sign: Sign,
    details_given: bool,
    place: str,
    findings: list[Finding],
) -> None:
    """Note where the details do not add up to the entry: the entry is what is booked (banking.md 2)."""
    if not details_given:
        return
    if any(t.amount is None for t in transactions):
        findings.append(Finding(code="DETAIL_AMOUNT_MISSING", place=place, message="details without amounts"))
        return
    if any(t.amount is not None and t.amount.currency != amount.currency for t in transactions):
        findings.append(Finding(code="DETAIL_CURRENCY_DIFFERS", place=place, message="details in another currency"))
        return
    if any(t.sign is not sign for t in transactions):
        findings.append(Finding(code="DETAIL_SIGN_DIFFERS", place=place, message="details with another sign"))
    added = sum(t.amount.amount_minor if t.sign is sign else -t.amount.amount_minor for t in transactions if t.amount)
    if added != amount.amount_minor:
        findings.append(Finding(code="DETAIL_SUM_DIFFERS", place=place, message="details do not sum to the entry"))
