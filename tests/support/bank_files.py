"""Builds small camt and pain.002 files for tests; every value can be set, nothing is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from xml.sax.saxutils import escape

IBAN = "DE89370400440532013000"
PAYER = "NL91ABNA0417164300"


@dataclass(frozen=True)
class Tx:
    """One TxDtls."""

    amount: str | None = None
    currency: str = "EUR"
    sign: str | None = None
    end_to_end: str | None = None
    reference: str | None = None
    bank_reference: str | None = None
    text: Sequence[str] = ()
    payer: str | None = PAYER
    payer_name: str = "Payer"
    return_reason: str | None = None
    extra: str = ""

    def xml(self) -> str:
        """The element."""
        refs = _tag("AcctSvcrRef", self.bank_reference) + _tag("EndToEndId", self.end_to_end)
        amount = "" if self.amount is None else f'<Amt Ccy="{self.currency}">{self.amount}</Amt>'
        lines = "".join(_tag("Ustrd", line) for line in self.text)
        strd = ""
        if self.reference:
            strd = f"<Strd><CdtrRefInf><Ref>{self.reference}</Ref></CdtrRefInf></Strd>"
        account = f"<DbtrAcct><Id><IBAN>{self.payer}</IBAN></Id></DbtrAcct>" if self.payer else ""
        back = f"<RtrInf><Rsn><Cd>{self.return_reason}</Cd></Rsn></RtrInf>" if self.return_reason else ""
        return (
            f"<TxDtls><Refs>{refs}</Refs>{amount}{_tag('CdtDbtInd', self.sign)}"
            f"<RltdPties><Dbtr><Pty><Nm>{escape(self.payer_name)}</Nm></Pty></Dbtr>{account}</RltdPties>"
            f"<RmtInf>{lines}{strd}</RmtInf>{back}{self.extra}</TxDtls>"
        )


@dataclass(frozen=True)
class Ntry:
    """One entry; ``txs`` may be empty."""

    amount: str
    sign: str = "CRDT"
    ref: str | None = None
    status: str | None = "BOOK"
    booked: str | None = "2026-11-03"
    value: str | None = "2026-11-03"
    txs: Sequence[Tx] = field(default_factory=tuple)
    currency: str = "EUR"
    reversal: bool = False
    extra: str = ""

    def xml(self) -> str:
        """The element."""
        dates = "".join(
            f"<{name}><Dt>{value}</Dt></{name}>"
            for name, value in (("BookgDt", self.booked), ("ValDt", self.value))
            if value
        )
        details = "".join(tx.xml() for tx in self.txs)
        return (
            f'<Ntry><Amt Ccy="{self.currency}">{self.amount}</Amt><CdtDbtInd>{self.sign}</CdtDbtInd>'
            f"{'<RvslInd>true</RvslInd>' if self.reversal else ''}"
            f"{f'<Sts><Cd>{self.status}</Cd></Sts>' if self.status else ''}{dates}{_tag('AcctSvcrRef', self.ref)}"
            f"{self.extra}{f'<NtryDtls>{details}</NtryDtls>' if details else ''}</Ntry>"
        )


@dataclass(frozen=True)
class Stmt:
    """One statement; the closing balance is computed unless given."""

    entries: Sequence[Ntry] = ()
    id: str = "S1"
    number: str | None = "1"
    iban: str = IBAN
    currency: str | None = "EUR"
    opening: str | None = "1000.00"
    closing: str | None = None
    day: str = "2026-11-03"
    mark: str | None = None
    extra: str = ""

    def xml(self, element: str) -> str:
        """The element."""
        currency = self.currency or "EUR"
        balances = ""
        if self.opening is not None:
            booked = [e for e in self.entries if e.status in ("BOOK", None) and e.currency == currency]
            net = sum((Decimal(e.amount) * (1 if e.sign == "CRDT" else -1) for e in booked), Decimal(0))
            closing = self.closing if self.closing is not None else f"{Decimal(self.opening) + net}"
            balances = _balance("OPBD", self.opening, currency, self.day) + _balance(
                "CLBD", closing, currency, self.day
            )
        return (
            f"<{element}><Id>{self.id}</Id>{_tag('ElctrncSeqNb', self.number)}{_tag('CpyDplctInd', self.mark)}"
            f"<Acct><Id><IBAN>{self.iban}</IBAN></Id>{_tag('Ccy', self.currency)}</Acct>{balances}"
            f"{''.join(entry.xml() for entry in self.entries)}{self.extra}</{element}>"
        )


_BODIES = {
    "052": ("BkToCstmrAcctRpt", "Rpt"),
    "053": ("BkToCstmrStmt", "Stmt"),
    "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


def camt(*statements: Stmt, kind: str = "053", version: str = "08", prolog: str = "", prefix: str = "") -> bytes:
    """A camt file as UTF-8 bytes."""
    body, element = _BODIES[kind]
    inner = "".join(statement.xml(element) for statement in statements)
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version}"><{body}>'
        f"<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-03T18:00:00+01:00</CreDtTm></GrpHdr>{inner}</{body}></Document>"
    )
    return text.encode()


def _tag(name: str, value: str | None) -> str:
    return "" if value is None else f"<{name}>{escape(value)}</{name}>"


def _balance(code: str, amount: str, currency: str, day: str) -> str:
    sign = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount.lstrip("-")}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>'
    )
