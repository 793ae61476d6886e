"""Answering requests of data subjects: search, give up what is over, write the package. No API loads it: it draws."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from roamclear.cdrs.detail import service as detail
from roamclear.documents.tables import Cell, write_book
from roamclear.identity import service as identity
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.record import Record, plain
from roamclear.kernel.retry import TimeLeft, again_on_race, always, each
from roamclear.mode import service as mode
from roamclear.privacy import finding, requests, store
from roamclear.privacy.model import Answer, DataRequest, Held, SessionOf, Subject

FOLDER = "data-requests"
#: Sessions of one package; a note says where there are more.
MOST = 5_000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CHECKPOINT = 500


def answer_all(ctx: Context, *, only: str | None = None, time_left: TimeLeft = always) -> list[str]:
    """Answer what waits, oldest first, as far as the time goes; the next call goes on. Returns the ids answered.

    One that fails stops no other, but fails the call at its end.

    Raises:
        InRecovery: the stage was restored and is not compared yet.
    """
    mode.require_normal(ctx)
    wanted = [only] if only else identity.issuer_ids(ctx)
    waiting = [known for issuer_id in wanted for known in store.requests(ctx.db, issuer_id, waiting=True)]
    due = (known for known in waiting if known.state == "OPEN" and time_left())
    return [found for found in each(due, lambda known: _answered_id(ctx, known, time_left)) if found]


def _answered_id(ctx: Context, known: DataRequest, time_left: TimeLeft) -> str | None:
    return known.request_id if answer(ctx, known, time_left) else None


def answer(ctx: Context, known: DataRequest, time_left: TimeLeft = always) -> bool:
    """Search, and write the package once the search is over; False where the time was."""
    subject = known.subject
    if subject is None:
        return False
    searched = _searched(ctx, known, subject, time_left)
    if searched is None:
        return False
    found, more = searched
    finder = finding.Finder(ctx, known.issuer_id)
    if known.kind == "ERASURE":
        for ref in found:
            # What is over goes now, whatever the walk of the retention has reached.
            finder.expiry.settle(ref)
        finder.expiry.finish(None)
    made = Answer(
        request_id=known.request_id,
        kind=known.kind,
        reference=known.reference,
        answered_at_utc=ctx.now(),
        controller=finding.controller(ctx, known.issuer_id),
        sessions=tuple(each for ref in found for each in finder.session(ref)),
        objects=(*(h for ref in found for h in finder.held(ref)), *finder.refused(subject, known.since)),
        notes=(*finding.NOTES, *more),
    )
    files = _written(ctx, known, made)
    _answered(ctx, known, made, files)
    return True


def _searched(
    ctx: Context, known: DataRequest, subject: Subject, time_left: TimeLeft
) -> tuple[list[str], tuple[str, ...]] | None:
    found = list(known.found) or finding.refs(ctx, known.issuer_id, subject)
    if subject.token_uid is None:
        scanned = _scan(ctx, known, subject, time_left)
        if scanned is None:
            return None
        found = scanned
    more = (f"There are more than {MOST} sessions; ask again by a later day.",) if len(found) > MOST else ()
    return found[:MOST], more


def _scan(ctx: Context, known: DataRequest, subject: Subject, time_left: TimeLeft) -> list[str] | None:
    """Everything that came since the day of the request, in pieces: where it stops is kept with what was found."""
    first = known.since or (identity.issuer(ctx, known.issuer_id).created_at_utc or ctx.now()).date()
    day, position = datetime.combine(first, datetime.min.time(), UTC), ""
    if known.scanned_to:
        text, position = known.scanned_to.split(" ", 1)
        day = datetime.fromisoformat(text)
    found, count = list(known.found), 0
    while day <= ctx.now():
        for place, ref in detail.received_after(ctx, known.issuer_id, day, position):
            if not time_left():
                _save(ctx, known, f"{day.isoformat()} {position}", found)
                return None
            if finding.names_contract(ctx, known.issuer_id, ref, subject) and ref not in found:
                found.append(ref)
            position, count = place, count + 1
            if count % _CHECKPOINT == 0:
                known = _save(ctx, known, f"{day.isoformat()} {position}", found)
        day, position = day + timedelta(days=1), ""
    return found


def _save(ctx: Context, known: DataRequest, place: str, found: list[str]) -> DataRequest:
    made = known.model_copy(update={"scanned_to": place, "found": tuple(found)})
    ctx.db.write(store.request_put(made, known))
    return made.model_copy(update={"changed": known.changed + 1})


def _written(ctx: Context, known: DataRequest, made: Answer) -> tuple[str, ...]:
    folder = f"{FOLDER}/{known.issuer_id}/{known.request_id}"
    body = numbers_json.dumps(made.dump(), indent=2).encode()
    book = write_book(
        [
            ("Sessions", tuple(SessionOf.model_fields), _rows(made.sessions, SessionOf)),
            ("Objects", tuple(Held.model_fields), _rows(made.objects, Held)),
            ("Notes", ("note",), ((note,) for note in made.notes)),
        ],
        created=made.answered_at_utc,
    )
    json_key = ctx.objects.put("exports", f"{folder}.json", body, "application/json").key
    return json_key, ctx.objects.put("exports", f"{folder}.xlsx", book, _XLSX).key


def _rows(records: tuple[Record, ...], kind: type[Record]) -> Iterator[tuple[Cell, ...]]:
    for record in records:
        cells: list[Cell] = []
        for name in kind.model_fields:
            value = plain(getattr(record, name))
            cells.append(", ".join(value) if isinstance(value, list) else value)
        yield tuple(cells)


def _answered(ctx: Context, known: DataRequest, made: Answer, files: tuple[str, ...]) -> None:
    """The request forgets whom it was about; the audit entry counts the objects by what became of them."""
    states: dict[str, int] = {}
    for held in made.objects:
        states[held.state] = states.get(held.state, 0) + 1

    def attempt() -> None:
        current = store.request(ctx.db, known.issuer_id, known.request_id)
        if current is None or current.state != "OPEN":
            return
        told = current.model_copy(
            update={
                "subject": None,
                "found": (),
                "scanned_to": None,
                "state": "ANSWERED",
                "answered_at_utc": made.answered_at_utc,
                "sessions": len(made.sessions),
                "objects": len(made.objects),
                "files": files,
            }
        )
        log = requests.log(
            ctx, told, "system:data-requests", "ANSWERED", sessions=len(made.sessions), objects=dict(states)
        )
        ctx.db.transact([store.request_put(told, current), log])

    again_on_race(attempt, tables=requests.RACES)
