"""What every account begins a month with, as an auditor reads it: income and cost begin each fiscal year at nothing.

Our ledger closes no year. So the income and cost of earlier fiscal years stand on the equity account here, as they do
in the books of the house once a year is closed; the sum of all balances stays nothing.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from roamclear.accounting import months
from roamclear.accounting.model import Chart, Saft
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.ledger.model import Account

#: Classes of income and cost; all others are balances that go on.
RESULT = frozenset({
    Account.REVENUE.value, Account.FEE_REVENUE.value, Account.ENERGY_COST.value, Account.FEES.value, Account.FX.value,
    Account.WRITE_OFF.value, Account.OWN_SHARE.value,
})  # fmt: skip
_EARLIER = Account.EQUITY.of("earlier years")


def year_begin(label: str, first_month: int) -> str:
    """The first month of the fiscal year that a month lies in.

    >>> year_begin("2026-03", 4), year_begin("2026-04", 4), year_begin("2026-03", 1)
    ('2025-04', '2026-04', '2026-01')
    """
    day = date.fromisoformat(f"{label}-01")
    year = day.year - (day.month < first_month)
    return f"{year:04d}-{first_month:02d}"


def balances(ctx: Context, issuer_id: str, label: str, chart: Chart) -> dict[tuple[str, str], Money]:
    """Debit balances at the first instant of a month by account of ours and currency; a credit balance is negative.

    Raises:
        InvalidInput: earlier years have a result and the chart names no equity account.
    """
    begin = year_begin(label, (chart.saft or Saft()).fiscal_year_month)
    now = months.at_end(ctx, issuer_id, months.before(label))
    years = months.at_end(ctx, issuer_id, months.before(begin))
    made: dict[tuple[str, str], int] = defaultdict(int, now)
    for (account, currency), minor in years.items():
        if account.partition(":")[0] in RESULT:
            made[account, currency] -= minor
            made[_EARLIER, currency] += minor
    kept = {key: Money(minor, key[1]) for key, minor in made.items() if minor}
    if any(account == _EARLIER for account, _ in kept) and Account.EQUITY.value not in chart.classes:
        raise InvalidInput("the chart names no account for equity", field="classes.equity")
    return kept
