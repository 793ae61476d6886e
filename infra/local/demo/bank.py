"""The demo's bank: it executes a pain.001 and writes camt.053.001.08 statements. It is no part of the clearing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from xml.sax.saxutils import escape

from lxml import etree

from infra.local.demo.people import ISSUER_IBAN
from infra.local.demo.when import stamp

_PAIN = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


@dataclass(frozen=True, slots=True)
class Booking:
    """One booked entry; ``amount`` is negative for money that leaves."""

    amount: Decimal
    other_name: str
    other_iban: str
    bank_reference: str
    end_to_end: str = "NOTPROVIDED"
    text: tuple[str, ...] = ()
    creditor_reference: str | None = None
    payment_id: str | None = None


@dataclass(slots=True)
class Bank:
    """The issuer's current account: balance and running statement number."""

    balance: Decimal = Decimal("25000.00")
    number: int = 210
    written: dict[str, bytes] = field(default_factory=dict)

    def execute(self, pain: bytes) -> list[Booking]:
        """The transfers of a payment file, each debited by itself as the file asks for."""
        root = etree.fromstring(pain)
        found = []
        for number, each in enumerate(root.iterfind(".//p:CdtTrfTxInf", _PAIN), 1):
            group = each.getparent()
            assert group is not None
            found.append(
                Booking(
                    amount=-Decimal(_text(each, "p:Amt/p:InstdAmt")),
                    other_name=_text(each, "p:Cdtr/p:Nm"),
                    other_iban=_text(each, "p:CdtrAcct/p:Id/p:IBAN"),
                    bank_reference=f"AUS{self.number + 1}{number:05d}",
                    end_to_end=_text(each, "p:PmtId/p:EndToEndId"),
                    text=(_text(each, "p:RmtInf/p:Ustrd"),),
                    payment_id=_text(group, "p:PmtInfId"),
                )
            )
        return found

    def statement(self, day: date, bookings: list[Booking], written_at: datetime) -> tuple[str, bytes]:
        """The statement of a day; its file name and bytes."""
        self.number += 1
        opening = self.balance
        self.balance += sum((b.amount for b in bookings), Decimal(0))
        name = f"camt.053_{day:%Y%m%d}_{self.number}.xml"
        data = _FILE.format(
            message=f"C53-{self.number}",
            at=stamp(written_at),
            number=self.number,
            iban=ISSUER_IBAN,
            opening=_balance("OPBD", opening, day),
            closing=_balance("CLBD", self.balance, day),
            entries="".join(_entry(b, day) for b in bookings),
        ).encode()
        self.written[name] = data
        return name, data


_FILE = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>{message}</MsgId><CreDtTm>{at}</CreDtTm></GrpHdr>
<Stmt><Id>{message}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><CreDtTm>{at}</CreDtTm>
<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>
{opening}{closing}{entries}</Stmt>
</BkToCstmrStmt></Document>
"""


def _balance(code: str, amount: Decimal, day: date) -> str:
    sign = "CRDT" if amount >= 0 else "DBIT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{abs(amount)}</Amt>'
        f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def _entry(booking: Booking, day: date) -> str:
    incoming = booking.amount > 0
    amount = f'<Amt Ccy="EUR">{abs(booking.amount)}</Amt><CdtDbtInd>{"CRDT" if incoming else "DBIT"}</CdtDbtInd>'
    family = "RCDT" if incoming else "ICDT"
    code = f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
    role = "Dbtr" if incoming else "Cdtr"
    party = (
        f"<RltdPties><{role}><Pty><Nm>{escape(booking.other_name)}</Nm></Pty></{role}>"
        f"<{role}Acct><Id><IBAN>{booking.other_iban}</IBAN></Id></{role}Acct></RltdPties>"
    )
    lines = "".join(f"<Ustrd>{escape(line)}</Ustrd>" for line in booking.text if line)
    if booking.creditor_reference:
        lines += (
            "<Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
            f"<Ref>{booking.creditor_reference}</Ref></CdtrRefInf></Strd>"
        )
    payment = f"<PmtInfId>{booking.payment_id}</PmtInfId>" if booking.payment_id else ""
    return (
        f"<Ntry>{amount}<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"<AcctSvcrRef>{booking.bank_reference}</AcctSvcrRef>{code}<NtryDtls><TxDtls>"
        f"<Refs>{payment}<EndToEndId>{escape(booking.end_to_end)}</EndToEndId></Refs>{amount}{party}"
        f"{f'<RmtInf>{lines}</RmtInf>' if lines else ''}</TxDtls></NtryDtls></Ntry>\n"
    )


def _text(element: etree._Element, path: str) -> str:
    return str(element.findtext(path, default="", namespaces=_PAIN))
