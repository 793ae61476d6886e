"""Asking VIES for the VAT ids that documents rest on (product.md D.2, rules.md 10). Only the schedule comes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from roamclear.contracts import vat_proofs
from roamclear.contracts.vat import KeptProof
from roamclear.evses import accounts
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, Unavailable
from roamclear.kernel.retry import TimeLeft, always, each
from roamclear.kernel.time import local_date
from roamclear.outgoing import service as outgoing
from roamclear.vies import rules, store
from roamclear.vies.model import Answer, Check, Fault, Outcome, Reach

_BY = "system:vies"
#: Between two requests: far below any limit of the service.
_PAUSE_S = 1
#: Calls without an answer, one after the other, after which the service is taken to be down.
_MOST_SILENT = 3


def refresh(
    ctx: Context, *, time_left: TimeLeft = always, pause: Callable[[int], None] = lambda seconds: None
) -> Outcome:
    """Ask for every number whose proof is due, and tell of each that is old, absent or negative.

    A number is due a week after its last proof, daily while it is invalid, and after a growing pause where no answer
    came. One that is not reached today keeps its proof; from its 31st day an exception says so. Without a service
    (``ctx.vies_url`` empty) nothing is asked, but the exceptions are told all the same. One number that fails stops no
    other, but fails the call at its end.
    """
    round_ = _Round(ctx, time_left, pause)

    def of_issuer(issuer_id: str) -> None:
        issuer = identity.issuer(ctx, issuer_id)
        found = numbers(ctx, issuer)

        def of_number(named: tuple[str, str]) -> None:
            fault = round_.number(issuer, named[0])
            vat_proofs.tell(ctx, issuer, named[0], fault=fault, partner=named[1] or None)

        each(sorted(found.items()), of_number)
        _close_unused(ctx, issuer_id, frozenset(found))

    each(identity.issuer_ids(ctx), of_issuer)
    return Outcome(**round_.done)


def numbers(ctx: Context, issuer: Issuer) -> dict[str, str]:
    """The VAT ids an issuer's documents rest on, with the contract or payout account that names each."""
    found = vat_proofs.numbers(ctx, issuer, local_date(ctx.now(), issuer.zone))
    for head in accounts.account_heads(ctx, issuer.issuer_id):
        if head.active:
            terms = accounts.account_version(ctx, issuer.issuer_id, head.account_id, head.version).terms
            if terms.vat_id:
                found.setdefault(terms.vat_id, head.account_id)
    return found


class _Round:
    """One call of the schedule: which states and whether the service at all still answer."""

    def __init__(self, ctx: Context, time_left: TimeLeft, pause: Callable[[int], None]) -> None:
        self._ctx = ctx
        self._time_left = time_left
        self._pause = pause
        self._silent_states: dict[str, str] = {}
        self._stopped: str | None = None if ctx.vies_url else "NO_SERVICE"
        self._silent = 0
        self.done: Counter[str] = Counter()

    def number(self, issuer: Issuer, number: str) -> str | None:
        """Ask for a number if it is due; returns why its last check brought no answer, if it did not."""
        ctx, now = self._ctx, self._ctx.now()
        known = store.find(ctx.db, issuer.issuer_id, number)
        if known is not None and now < known.next_at_utc:
            self.done["waiting"] += known.fault is not None
            return known.fault
        if self._stopped or rules.prefix(number) in self._silent_states or not self._time_left():
            self.done["waiting"] += 1
            return (known.fault if known else None) or self._stopped or self._silent_states.get(rules.prefix(number))
        failures = known.failures if known else 0
        claimed = _check(issuer, number, now, failures + 1, None)
        try:
            ctx.db.write(store.check_put(claimed, known))
        except ConditionFailed:
            return None  # another worker asks for it
        claimed = claimed.model_copy(update={"changed": known.changed + 1 if known else 0})
        said = self._ask(issuer, number)
        if isinstance(said, Answer):
            said = _kept(ctx, issuer, number, said, now)
        if isinstance(said, Fault):
            self._failed(number, said)
            _finish(ctx, _check(issuer, number, now, failures + 1, said.code), claimed)
            return said.code
        self._silent = 0
        self.done["valid" if said.valid else "invalid"] += 1
        rest = rules.RENEW if said.valid else rules.pause_after(9)
        made = Check(
            issuer_id=issuer.issuer_id, vat_id=number, tried_at_utc=now, next_at_utc=now + rest
        )  # fmt: skip
        _finish(ctx, made, claimed)
        return None

    def _ask(self, issuer: Issuer, number: str) -> Answer | Fault:
        if self.done["asked"]:
            self._pause(_PAUSE_S)
        self.done["asked"] += 1
        try:
            status, answered = outgoing.ask(
                self._ctx.vies_url + rules.PATH,
                rules.HOSTS,
                body=rules.question(number, issuer.vat_id),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                allow_loopback=self._ctx.stage == "local",
            )
        except Unavailable:
            return rules.no_answer()
        return rules.read(number, status, answered.body)

    def _failed(self, number: str, fault: Fault) -> None:
        self.done["failed"] += 1
        self._silent = self._silent + 1 if fault.code == rules.no_answer().code else 0
        if fault.reach is Reach.SERVICE or self._silent >= _MOST_SILENT:
            self._stopped = fault.code
        elif fault.reach is Reach.STATE:
            self._silent_states[rules.prefix(number)] = fault.code


def _check(issuer: Issuer, number: str, now: datetime, failures: int, fault: str | None) -> Check:
    return Check(
        issuer_id=issuer.issuer_id,
        vat_id=number,
        tried_at_utc=now,
        next_at_utc=now + rules.pause_after(failures),
        failures=failures,
        fault=fault,
    )


def _finish(ctx: Context, made: Check, claimed: Check) -> None:
    try:
        ctx.db.write(store.check_put(made, claimed))
    except ConditionFailed:
        return  # it took longer than the claim holds, and another worker asked again


def _kept(ctx: Context, issuer: Issuer, number: str, said: Answer, now: datetime) -> Answer | Fault:
    """The answer once it is stored; a consultation number that was given before is no proof of a new question."""
    try:
        vat_proofs.keep(ctx, issuer.issuer_id, _proof(issuer, number, said, now), kind="VAT_ID", object_id=number)
    except Conflict:
        return Fault(code="REQUEST_ID_GIVEN_BEFORE", reach=Reach.NUMBER)
    return said


def _proof(issuer: Issuer, number: str, said: Answer, now: datetime) -> KeptProof:
    """The answer as a dated proof. Without a consultation number it goes by its instant, and says so."""
    return KeptProof(
        vat_id=number,
        valid=said.valid,
        checked_on=local_date(now, issuer.zone),
        request_id=said.request_id or f"NONE-{now:%Y%m%dT%H%M%S%f}",
        name=said.name,
        address=said.address,
        checked_at_utc=now,
        source="VIES",
        recorded_by=_BY,
        recorded_at_utc=now,
        requester=issuer.vat_id,
        raw=said.raw,
    )


def _close_unused(ctx: Context, issuer_id: str, used: frozenset[str]) -> None:
    """A number that nothing names any more needs no proof."""
    kind = ExceptionType.VAT_PROOF_OLD
    for row in journal.open_of(ctx, issuer_id, kind):
        if row.subject not in used:
            journal.resolve(ctx, issuer_id, kind, row.subject, by=_BY, reason="no contract names the number any more")
