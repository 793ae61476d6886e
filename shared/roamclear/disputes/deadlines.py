"""Until when a side answers: working days without the holidays of who has to answer, fixed at the moment they are set.

Working days are Monday to Friday in the contract's zone, less the stored holidays (calendars room) of the country of
the side that answers, or of the one place that the contract names. A calendar that is recorded later moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from roamclear.calendars import service as calendars
from roamclear.calendars.model import Closings
from roamclear.contracts.model import Terms
from roamclear.disputes import rules
from roamclear.disputes.model import Side
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.time import local_date


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant and the states of the calendars it was counted by; none: Monday to Friday alone."""

    at: datetime
    counted_by: tuple[str, ...]


@dataclass(slots=True)
class Deadlines:
    """Counts for one issuer; what was read for a place and year is kept between the claims of a list."""

    ctx: Context
    issuer_id: str
    _country: str | None = None
    _known: dict[tuple[str, int], Closings] = field(default_factory=dict)

    def after_close(self, terms: Terms, closes_at: datetime) -> Deadline:
        """Until when the CPO answers what was filed in a window (rules.md 6)."""
        held = self._closings(terms, Side.CPO, closes_at)
        at = rules.answer_due(closes_at, terms.answer_working_days, terms.zone, held.days)
        return Deadline(at, held.labels)

    def from_now(self, terms: Terms, side: Side, working_days: int) -> Deadline:
        """Until when a side answers what is said to it now."""
        now = self.ctx.now()
        held = self._closings(terms, side, now)
        return Deadline(rules.days_from(now, working_days, terms.zone, held.days), held.labels)

    def _closings(self, terms: Terms, side: Side, at: datetime) -> Closings:
        day = local_date(at, terms.zone)
        place = terms.holidays_of or self._place(terms, side)
        if (place, day.year) not in self._known:
            self._known[place, day.year] = calendars.closings(self.ctx, self.issuer_id, place, day)
        return self._known[place, day.year]

    def _place(self, terms: Terms, side: Side) -> str:
        """The country of a side: the house is the CPO, or the eMSP where it bills itself (direction REVERSE)."""
        if (side is Side.CPO) is terms.is_reverse:
            return terms.counterparty.address.country
        if self._country is None:
            self._country = identity.issuer(self.ctx, self.issuer_id).address.country
        return self._country
