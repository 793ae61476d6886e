"""Terms of keeping: what the law asks for, what an issuer chose, and what is in force on a day."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from roamclear.identity.issuer import Issuer
from roamclear.kernel.record import Record

#: Kept in every country at least (product.md D.6, rules.md 10), in whole years behind the current one.
DEFAULT_YEARS = 10
MOST_YEARS = 50
#: The detail of a session is never given up earlier: its invoice may still be paid, disputed or corrected till then.
LEAST_DETAIL_MONTHS = 12


class LegalTerm(Record):
    """What a country asks for from a day on: years behind the one the document is of, and where that stands."""

    since: date
    years: int
    source: str


class RetentionChoice(Record):
    """Terms that an issuer chose, in force from a day on. None leaves the default.

    ``document_years`` is for documents and books, ``detail_months`` for what names a driver's token, contract, place
    and time. One person proposes, another approves; an approved one is never changed, a later one takes its place.
    """

    issuer_id: str
    choice_id: str
    valid_from: date
    document_years: int | None = Field(None, ge=DEFAULT_YEARS, le=MOST_YEARS)
    detail_months: int | None = Field(None, ge=LEAST_DETAIL_MONTHS, le=MOST_YEARS * 12)
    reason: str = Field(min_length=3, max_length=1000)
    state: str = Field("PROPOSED", pattern=r"^(PROPOSED|APPROVED|WITHDRAWN)$")
    made_by: str
    made_at_utc: datetime
    decided_by: str | None = None
    decided_at_utc: datetime | None = None


class RetentionTerms(Record):
    """What is in force for an issuer on a day.

    ``document_years`` count behind the current year. Without ``detail_months`` the detail stays as long as the
    documents that rest on it must: ``detail_years`` behind the year of the session's last document.
    ``locked_until_utc`` is what an object put on that day gets; None where the stage locks for a day (rules.md 10).
    """

    issuer_id: str
    country: str
    zone: str
    day: date
    legal_years: int | None = None
    legal_source: str | None = None
    document_years: int
    detail_months: int | None = None
    detail_years: int | None = None
    locked_until_utc: datetime | None = None


class RetentionTold(Record):
    """An issuer's setting: what is in force today, how the stage locks, and everything that was chosen."""

    in_force: RetentionTerms
    lock_mode: str
    choices: tuple[RetentionChoice, ...] = ()


class Epoch(Record):
    """A secret of pseudonyms by its number; destroyed, it has no bytes any more."""

    issuer_id: str
    epoch: int
    made_at_utc: datetime
    secret: bytes | None = Field(None, repr=False)
    destroyed_at_utc: datetime | None = None


class IssuerTold(Issuer):
    """The issuer's settings with the terms of keeping that are in force today."""

    retention: RetentionTerms
