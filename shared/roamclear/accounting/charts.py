"""Charts to begin with. They are proposals: the tax adviser of the house confirms or replaces each account.

No account of a DATEV chart is one that books VAT by itself (Automatikkonto): our entries state their VAT.
"""

from __future__ import annotations

from roamclear.ledger.model import Account

#: Personal accounts: a debtor per contract, a creditor per payout account.
PERSONAL = (Account.RECEIVABLE, Account.PAYABLE)

SKR04: dict[str, str] = {
    Account.RECEIVABLE.value: "1200",
    Account.REVENUE.value: "4200",
    Account.FEE_REVENUE.value: "4210",
    Account.OUTPUT_VAT.value: "3800",
    Account.ENERGY_COST.value: "5200",
    Account.INPUT_VAT.value: "1400",
    Account.PAYABLE.value: "3300",
    Account.IN_TRANSIT.value: "1460",
    Account.BANK.value: "1800",
    Account.UNAPPLIED.value: "3250",
    Account.SUSPENSE.value: "1370",
    Account.FEES.value: "6855",
    Account.FX.value: "6880",
    Account.WRITE_OFF.value: "6930",
    Account.EQUITY.value: "9000",
    Account.OWN_SHARE.value: "4970",
    Account.ACCRUED_REVENUE.value: "1300",
    Account.ACCRUED_COST.value: "3500",
    Account.DISPUTE_PROVISION.value: "3070",
}

PCG: dict[str, str] = {
    Account.RECEIVABLE.value: "411000",
    Account.REVENUE.value: "707000",
    Account.FEE_REVENUE.value: "706000",
    Account.OUTPUT_VAT.value: "445710",
    Account.ENERGY_COST.value: "607000",
    Account.INPUT_VAT.value: "445660",
    Account.PAYABLE.value: "401000",
    Account.IN_TRANSIT.value: "580000",
    Account.BANK.value: "512000",
    Account.UNAPPLIED.value: "419100",
    Account.SUSPENSE.value: "471000",
    Account.FEES.value: "627000",
    Account.FX.value: "666000",
    Account.WRITE_OFF.value: "654000",
    Account.EQUITY.value: "890000",
    Account.OWN_SHARE.value: "791000",
    Account.ACCRUED_REVENUE.value: "418100",
    Account.ACCRUED_COST.value: "408100",
    Account.DISPUTE_PROVISION.value: "151800",
}


def proposed(country: str) -> dict[str, str]:
    """The chart an issuer begins with: the French one in France, SKR 04 elsewhere.

    >>> proposed("FR")["receivable"]
    '411000'
    """
    return dict(PCG if country == "FR" else SKR04)
