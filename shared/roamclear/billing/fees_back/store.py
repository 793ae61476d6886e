"""Rows of flat fees that wait for a run to charge them again."""

from __future__ import annotations

from roamclear.aws import keys
from roamclear.billing.model import Returned
from roamclear.kernel.context import Database
from roamclear.kernel.writes import Put, Table, Update, When


def returned_put(made: Returned) -> Put:
    """Flat fees of a cancelled document; once per cancellation."""
    return Put(Table.CLEARING, keys.returned_fees(made.issuer_id, made.contract_id, made.correction_id), made.dump())


def returned_taken(known: Returned, run_id: str) -> Update:
    """A run takes them; refused where another one did."""
    key = keys.returned_fees(known.issuer_id, known.contract_id, known.correction_id)
    return Update(Table.CLEARING, key, put={"taken_by": run_id}, when=(When("taken_by", "absent"),))


def returned(db: Database, issuer_id: str, contract_id: str) -> list[Returned]:
    """Every such fee of a contract, taken or not."""
    pk = keys.returned_fees(issuer_id, contract_id, "").pk
    return [Returned.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]
