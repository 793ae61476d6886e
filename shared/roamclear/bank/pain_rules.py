"""What a payment file must satisfy before a bank sees it (banking.md 1.3); every breach names its field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from stdnum import lei as _lei

from roamclear.bank.letters import is_plain, is_reference, transliterate
from roamclear.bank.model import Address, Debtor, PaymentFile, PaymentGroup, Scheme, Transfer
from roamclear.bank.remittance import compact_reference, is_qrr, is_rf
from roamclear.kernel.ids import iban as iban_standard
from roamclear.kernel.workdays import is_business_day

MAX_TRANSFERS = 100_000
NAME_LENGTH = 70
REMITTANCE_LENGTH = 140
_MAX_MINOR = 99_999_999_999
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)
_UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_CODE = re.compile(r"[A-Z0-9]{1,4}", re.ASCII)
_EEA = frozenset(re.findall("..", "ATBEBGHRCYCZDKEEFIFRDEGRHUIEITLVLTLUMTNLPLPTROSKSIESSEISLINO"))
_SEPA_BEYOND_EEA = frozenset(re.findall("..", "ADALCHGBGIGGIMJEMCMDMEMKRSSMVA"))


def breaches(file: PaymentFile) -> list[str]:
    """Every rule the file breaks, as ``field: sentence``; empty means it may be written."""
    found = list(_file(file))
    for group in file.groups:
        place = f"PmtInf {group.id[:35]}"
        found.extend(f"{place}/{text}" for text in _group(group, file))
    return found


def _file(file: PaymentFile) -> Iterator[str]:
    if not is_reference(file.message_id):
        yield "MsgId: at most 35 SEPA letters, no slash at an end"
    if file.created_at.utcoffset() is None:
        yield "CreDtTm: an instant with its offset"
    yield from _name("InitgPty/Nm", file.initiator)
    ids = [group.id for group in file.groups]
    if not ids or len(ids) != len(set(ids)):
        yield "PmtInf: at least one, each with its own id"
    transfers = [transfer for group in file.groups for transfer in group.transfers]
    if len(transfers) > MAX_TRANSFERS:
        yield f"NbOfTxs: more than {MAX_TRANSFERS}"
    ends = [transfer.end_to_end_id for transfer in transfers]
    if len(ends) != len(set(ends)):
        yield "EndToEndId: every transfer its own"


def _group(group: PaymentGroup, file: PaymentFile) -> Iterator[str]:
    if not is_reference(group.id):
        yield "PmtInfId: at most 35 SEPA letters, no slash at an end"
    if not group.transfers:
        yield "CdtTrfTxInf: a group holds at least one transfer"
    created = file.created_at.date()
    if not created <= group.execute_on <= created + timedelta(days=365):
        yield "ReqdExctnDt: from the day of approval to one year later"
    if group.scheme is not Scheme.INSTANT and not is_business_day(group.execute_on):
        yield "ReqdExctnDt: a TARGET business day"
    bearers = {"SLEV"} if group.scheme is not Scheme.OTHER else {"SHAR", "DEBT", "CRED"}
    if group.charge_bearer is not None and group.charge_bearer not in bearers:
        yield f"ChrgBr: one of {', '.join(sorted(bearers))}"
    if group.category_purpose is not None and not _CODE.fullmatch(group.category_purpose):
        yield "CtgyPurp: a code of 1 to 4 characters"
    yield from _debtor(group)
    for number, transfer in enumerate(group.transfers, 1):
        for text in _transfer(transfer, group):
            yield f"CdtTrfTxInf {number}/{text}"


def _debtor(group: PaymentGroup) -> Iterator[str]:
    debtor: Debtor = group.debtor
    yield from _name("Dbtr/Nm", debtor.name)
    yield from _bic("DbtrAgt", debtor.bic)
    yield from _address("Dbtr/PstlAdr", debtor.address)
    yield from _legal_id("Dbtr/LEI", debtor.lei)
    if not iban_standard.is_valid(debtor.iban) or debtor.iban != iban_standard.compact(debtor.iban):
        yield "DbtrAcct: a compact valid IBAN"
    beyond = {t.creditor_iban[:2] for t in group.transfers} & _SEPA_BEYOND_EEA
    if debtor.address is None and beyond:
        yield f"Dbtr/PstlAdr: needed for payments to {', '.join(sorted(beyond))}"


def _transfer(transfer: Transfer, group: PaymentGroup) -> Iterator[str]:
    if not is_reference(transfer.end_to_end_id):
        yield "EndToEndId: at most 35 SEPA letters, no slash at an end"
    if transfer.instruction_id is not None and not is_reference(transfer.instruction_id):
        yield "InstrId: at most 35 SEPA letters, no slash at an end"
    if transfer.uetr is not None and not _UETR.fullmatch(transfer.uetr):
        yield "UETR: a lower-case UUID of version 4"
    if transfer.purpose is not None and not _CODE.fullmatch(transfer.purpose):
        yield "Purp: a code of 1 to 4 characters"
    yield from _name("Cdtr/Nm", transfer.creditor_name)
    if transfer.ultimate_creditor is not None:
        yield from _name("UltmtCdtr/Nm", transfer.ultimate_creditor)
    yield from _bic("CdtrAgt", transfer.creditor_bic)
    yield from _address("Cdtr/PstlAdr", transfer.creditor_address)
    yield from _legal_id("Cdtr/LEI", transfer.creditor_lei)
    yield from _amount(transfer, group.scheme)
    yield from _account(transfer, group.scheme)
    yield from _remittance(transfer)


def _amount(transfer: Transfer, scheme: Scheme) -> Iterator[str]:
    if not 1 <= transfer.amount.amount_minor <= _MAX_MINOR:
        yield "InstdAmt: from 0.01 to 999999999.99"
    if scheme is not Scheme.OTHER and transfer.amount.currency != "EUR":
        yield "InstdAmt: SEPA carries EUR only"
    if scheme is Scheme.OTHER:
        if transfer.creditor_bic is None:
            yield "CdtrAgt: a BIC outside SEPA"
        if transfer.creditor_address is None:
            yield "Cdtr/PstlAdr: a structured address outside SEPA"


def _account(transfer: Transfer, scheme: Scheme) -> Iterator[str]:
    number = transfer.creditor_iban
    if not iban_standard.is_valid(number) or number != iban_standard.compact(number):
        yield "CdtrAcct: a compact valid IBAN"
        return
    if scheme is not Scheme.OTHER and number[:2] not in _EEA | _SEPA_BEYOND_EEA:
        yield "CdtrAcct: the country is not part of SEPA"
    if is_qr_iban(number) and not (transfer.reference and is_qrr(compact_reference(transfer.reference))):
        yield "CdtrAcct: a QR-IBAN takes payments with a QR reference only"


def is_qr_iban(number: str) -> bool:
    """Swiss and Liechtenstein accounts whose bank number is 30000 to 31999.

    >>> is_qr_iban("CH4431999123000889012"), is_qr_iban("CH9300762011623852957")
    (True, False)
    """
    return number[:2] in ("CH", "LI") and number[4:9].isdigit() and 30000 <= int(number[4:9]) <= 31999


def _remittance(transfer: Transfer) -> Iterator[str]:
    if transfer.reference is not None and transfer.remittance is not None:
        yield "RmtInf: either a reference or a text"
    if transfer.reference is not None:
        compact = compact_reference(transfer.reference)
        if not is_rf(compact) and not is_qrr(compact):
            yield "RmtInf/Strd: neither a valid RF nor a valid QR reference"
    if transfer.remittance is not None:
        text = transliterate(transfer.remittance)
        if not 1 <= len(text) <= REMITTANCE_LENGTH:
            yield "RmtInf/Ustrd: 1 to 140 characters"


def _name(field: str, name: str) -> Iterator[str]:
    written = transliterate(name)
    if not written.strip(". "):
        yield f"{field}: a name"
    elif len(written) > NAME_LENGTH:
        yield f"{field}: at most {NAME_LENGTH} characters, this has {len(written)}"


def _bic(field: str, bic: str | None) -> Iterator[str]:
    if bic is not None and not _BIC.fullmatch(bic):
        yield f"{field}: not a BIC (ISO 9362)"


def _legal_id(field: str, lei: str | None) -> Iterator[str]:
    if lei is not None and not _lei.is_valid(lei):
        yield f"{field}: not an LEI (ISO 17442)"


def _address(field: str, address: Address | None) -> Iterator[str]:
    """Town and country always, free lines at most two of 70 (unstructured addresses ended on 15 Nov 2026)."""
    if address is None:
        return
    if not 1 <= len(transliterate(address.town)) <= 35:
        yield f"{field}/TwnNm: 1 to 35 characters"
    if not _COUNTRY.fullmatch(address.country):
        yield f"{field}/Ctry: two capital letters"
    if len(address.lines) > 2:
        yield f"{field}/AdrLine: at most two"
    bounds = ((address.street, 70), (address.building, 16), (address.postcode, 16))
    for value, limit in (*bounds, *((line, 70) for line in address.lines)):
        written = None if value is None else transliterate(value)
        if written is not None and not (1 <= len(written) <= limit and is_plain(written)):
            yield f"{field}: a part is empty or longer than {limit}"
