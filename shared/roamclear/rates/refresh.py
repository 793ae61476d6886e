"""Storing what the ECB publishes (rules.md 10). Only the schedule comes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256

from roamclear.audit import service as audit
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Unavailable
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.workdays import business_day_before
from roamclear.kernel.writes import Table
from roamclear.outgoing import service as outgoing
from roamclear.rates import ecb, rules, store
from roamclear.rates.model import Publication, Rate, Refreshed

_BY = "system:ecb"
#: How far back an issuer's rates are filled up: documents of past days, and an outage of weeks.
_BACK = timedelta(days=60)
_Days = dict[date, dict[str, Decimal]]


def refresh(ctx: Context) -> Refreshed:
    """Store every published day that an issuer lacks, each in one transaction; again it changes nothing.

    A value that a person recorded is never overwritten: where it differs from what is published, an exception says so,
    and a correction by two persons settles it. A day that is not published by the start of the next TARGET day is an
    exception until it is; documents that need its rate are held (Art. 91).
    """
    last = rules.last_published(ctx.now())
    lacking = {issuer: _lacking(ctx, issuer, last) for issuer in identity.issuer_ids(ctx)}
    wanted = sorted({day for days in lacking.values() for day in days})
    done: Counter[str] = Counter()
    published, digest, fault = _fetched(ctx, wanted, last)
    for issuer_id, days in lacking.items():
        for day in days:
            if day in published:
                done.update(_store(ctx, issuer_id, day, published[day], digest))
            else:
                done["waiting"] += 1
                _tell(ctx, issuer_id, day, fault)
    return Refreshed(**done, fault=fault)


def _lacking(ctx: Context, issuer_id: str, last: date) -> list[date]:
    known = store.published_days(ctx.db, issuer_id, last - _BACK, last)
    return [day for day in rules.published_between(last - _BACK, last) if day not in known]


def _fetched(ctx: Context, wanted: list[date], last: date) -> tuple[_Days, str, str | None]:
    """What is published, the SHA-256 of the file, and why nothing was read. Without a service nothing is asked."""
    if not wanted:
        return {}, "", None
    if not ctx.ecb_url:
        return {}, "", "no service is set"
    name = ecb.DAILY if wanted == [last] else ecb.NINETY_DAYS
    try:
        status, answered = outgoing.ask(ctx.ecb_url + name, ecb.HOSTS, allow_loopback=ctx.stage == "local")
        if status != 200:
            return {}, "", f"HTTP {status}"
        return ecb.read(answered.body), sha256(answered.body).hexdigest(), None
    except Unavailable as error:
        return {}, "", error.message


def _store(ctx: Context, issuer_id: str, day: date, published: Mapping[str, Decimal], digest: str) -> Counter[str]:
    """The values of a day that are not stored yet, with what was published as a whole, in one transaction."""

    def attempt() -> None:
        known = store.first_records(ctx.db, issuer_id, sorted(published), day)
        # Told before the day counts as stored: after a crash in between it is told again, never forgotten.
        done["conflicts"] = sum(_compare(ctx, rate, published[currency]) for currency, rate in known.items())
        _stored(ctx, issuer_id, day)
        made = [
            Rate(
                issuer_id=issuer_id,
                currency=currency,
                day=day,
                rate=rate,
                recorded_by=_BY,
                recorded_at_utc=ctx.now(),
            )
            for currency, rate in sorted(published.items())
            if currency not in known
        ]
        mark = Publication(
            issuer_id=issuer_id, day=day, rates=dict(published), sha256=digest, stored_at_utc=ctx.now()
        )  # fmt: skip
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="RATES", object_id=day.isoformat(), actor_id=_BY, action="STORED",
            details={"rates": dict(published), "sha256": digest, "recorded_before": sorted(known)},
        )  # fmt: skip
        ctx.db.transact([store.publication_put(mark), *(store.save_put(rate) for rate in made), log])
        done["stored"] = len(made)
        done["days"] = 1

    done: Counter[str] = Counter()
    try:
        again_on_race(attempt, tables=(Table.AUDIT,))
        _stored(ctx, issuer_id, day)  # another worker may have told of it meanwhile
    except ConditionFailed:
        pass  # another worker, or a person at this moment; the next call looks again
    return done


def _compare(ctx: Context, recorded: Rate, published: Decimal) -> bool:
    """Tell of a value recorded by a person that none of the records of its day bears out."""
    known = store.of_day(ctx.db, recorded.issuer_id, recorded.currency, recorded.day)
    if any(each.rate == published for each in known):
        return False
    journal.raise_once(
        ctx,
        recorded.issuer_id,
        ExceptionType.RATE_CONFLICT,
        f"{recorded.currency}.{recorded.day.isoformat()}#{published}",
        f"the ECB published {published} {recorded.currency} per euro for {recorded.day}, stored is {known[-1].rate} "
        f"by {known[-1].recorded_by}: documents go on by the stored one",
        severity="HIGH",
        next_action="correct the stored rate (POST /v1/rate-corrections), or close this with the reason it stands",
        details={"published": str(published), "stored": str(known[-1].rate)},
    )
    return True


def _tell(ctx: Context, issuer_id: str, day: date, fault: str | None) -> None:
    """A day is late when the next TARGET day begins: until then it may be on its way."""
    if business_day_before(local_date(ctx.now(), rules.PUBLISHED_IN)) < day:
        return
    told = journal.raise_once(
        ctx,
        issuer_id,
        ExceptionType.RATE_MISSING,
        _subject(day),
        f"the reference rates of {day} are not stored" + (f": {fault}" if fault else ": the ECB has none"),
        severity="HIGH",
        next_action="look at the log of refresh_rates; rates that documents need now may be recorded by hand",
    )
    if told and store.published_days(ctx.db, issuer_id, day, day):
        _stored(ctx, issuer_id, day)  # by another worker, while this one asked; nobody comes back to the day


def _stored(ctx: Context, issuer_id: str, day: date) -> None:
    reason = "the rates of the day are stored"
    journal.resolve(ctx, issuer_id, ExceptionType.RATE_MISSING, _subject(day), by=_BY, reason=reason)


def _subject(day: date) -> str:
    return f"ECB.{day.isoformat()}"
