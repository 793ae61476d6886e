"""What the statuses of a pain.002 mean (banking.md 1.3).

A status may stand at the group alone, then it holds for everything below. Accepted is not paid: a payout counts as paid
only when camt books it.
"""

from __future__ import annotations

from enum import StrEnum

from roamclear.bank.model import StatusReason, StatusReport

_RANKS = {"RCVD": 0, "PDNG": 1, "ACTC": 2, "ACWC": 3, "PART": 3, "ACCP": 4, "ACSP": 5, "ACSC": 6, "ACCC": 7}


class Outcome(StrEnum):
    """What a status means for a payout: waits, taken, or refused."""

    WAITING = "WAITING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


def outcome(status: str | None) -> Outcome:
    """The meaning of a transfer's status.

    >>> [outcome(status).value for status in ("RJCT", "ACSC", "PDNG", None)]
    ['REJECTED', 'ACCEPTED', 'WAITING', 'WAITING']
    """
    if status in ("RJCT", "CANC"):
        return Outcome.REJECTED
    return Outcome.ACCEPTED if _RANKS.get(status or "", 0) >= 4 else Outcome.WAITING


def status_of(report: StatusReport, payment_id: str, end_to_end_id: str) -> tuple[str | None, tuple[StatusReason, ...]]:
    """The status of one transfer: its own, else its group's, else the file's.

    ``PART`` says that transfers differ, so it is never the status of one that is not listed.
    """
    for group in report.groups:
        for transfer in group.transfers:
            if transfer.end_to_end_id == end_to_end_id and group.payment_id in (None, payment_id):
                return transfer.status, transfer.reasons
    for group in report.groups:
        if group.payment_id == payment_id and group.status not in (None, "PART"):
            return group.status, group.reasons
    return (None, ()) if report.status == "PART" else (report.status, report.reasons)


def advances(before: str | None, after: str | None) -> bool:
    """Whether a status may follow another: only forward, and nothing after a refusal.

    >>> advances("ACTC", "ACSP"), advances("RJCT", "ACSP"), advances("ACSP", "ACTC"), advances("ACSP", "RJCT")
    (True, False, False, True)
    """
    if after is None or outcome(before) is Outcome.REJECTED:
        return False
    if outcome(after) is Outcome.REJECTED:
        return True
    return _RANKS.get(after, 0) > _RANKS.get(before or "", -1)
