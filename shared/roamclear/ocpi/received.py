"""Receiver of Invoice Reconciliation: the records of eMSPs that bill themselves (OCPI 2.3.0 ed2, reverse billing).

A record belongs to the eMSP that wrote it and is kept as it was said. Nothing is billed or paid because of it: what it
claims is compared with our own sessions (``claims``).
"""

from __future__ import annotations

from typing import Any

from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import party as party_ids
from roamclear.ocpi import objects, rules, store
from roamclear.ocpi.intake import read_json, refuse
from roamclear.ocpi.model import Message, Refused
from roamclear.ocpi.objects import Address, Json, Method, Module, Saved
from roamclear.partners.model import Credential

MAX_RECORD_ID = 36
MAX_INVOICE_ID = 255
#: As many as our own records hold (``reconciliation.MAX_CDRS``): what is longer goes on in another record.
MAX_CDRS = 25_000


def _emsp_parties(credential: Credential) -> tuple[str, ...]:
    return credential.emsp_parties


RECORDS = Module("invoicereconciliation", store.received_record, store.save_received_record, _emsp_parties)


def post_record(ctx: Context, credential: Credential, message: Message) -> Saved | Refused:
    """POST a new record; the same one again changes nothing, another one under its id is refused (PUT replaces)."""
    at = _address(message)
    if isinstance(at, Refused):
        return refuse(ctx, credential, message, RECORDS.name, at)

    def change(known: Json | None, given: Json) -> Json | Refused | None:
        if known is not None and known != given:
            return Refused("id: this record is known with other content; PUT replaces it", "id")
        return given

    return _save(ctx, credential, at, "PUT", message, change)


def save_record(ctx: Context, credential: Credential, at: Address, method: Method, message: Message) -> Saved | Refused:
    """PUT a whole record or PATCH some of its fields; a description older than the stored one changes nothing."""

    def change(known: Json | None, given: Json) -> Json | Refused | None:
        if known is None and method == "PATCH":
            return Refused("the record is not known: send it first", "id")
        if objects.older(given, known):
            return None
        return objects.patched(known, given) if known is not None and method == "PATCH" else given

    return _save(ctx, credential, at, method, message, change)


def read_record(ctx: Context, credential: Credential, at: Address) -> bytes:
    """The JSON of a record as its owner described it, or ``NotFound``."""
    return objects.read(ctx, credential, at, RECORDS)


def delete_record(ctx: Context, credential: Credential, at: Address) -> None:
    """The owner takes a record back; unknown ones are ``NotFound``."""
    objects.delete(ctx, credential, at, RECORDS)


def cdr_ids(record: Json) -> list[str]:
    """The ids of a record's CDRs in its order; ids of credits that do not fit stand in ``long_cdrs`` (decision 0016).

    >>> cdr_ids({"cdrs": ["A", "B"], "long_cdrs": ["C"]})
    ['A', 'B', 'C']
    """
    extra = record.get("long_cdrs")
    return [*record["cdrs"], *(extra if isinstance(extra, list) else [])]


def fault(record: Json) -> Refused | None:
    """What is wrong with a whole record, the first field that is."""
    for name, most in (("id", MAX_RECORD_ID), ("invoice_id", MAX_INVOICE_ID)):
        if not _is_text(record.get(name), most):
            return Refused(f"{name}: 1 to {most} printable ASCII characters", name)
    if not isinstance(record.get("last_updated"), str):
        return Refused("last_updated is missing", "last_updated")
    country, party = record.get("country_code"), record.get("party_id")
    if not isinstance(country, str) or not isinstance(party, str):
        return Refused("country_code and party_id name the record's owner", "party_id")
    cdrs, extra = record.get("cdrs"), record.get("long_cdrs", [])
    if not isinstance(cdrs, list) or not 1 <= len(cdrs) <= MAX_CDRS:
        return Refused(f"cdrs: a list of 1 to {MAX_CDRS} ids", "cdrs")
    if not isinstance(extra, list) or len(extra) > MAX_CDRS:
        return Refused(f"long_cdrs: a list of at most {MAX_CDRS} ids", "long_cdrs")
    if not all(_is_text(each, rules.MAX_ID) for each in (*cdrs, *extra)):
        return Refused(f"cdrs: an id has 1 to {rules.MAX_ID} printable ASCII characters", "cdrs")
    return None


def _save(
    ctx: Context, credential: Credential, at: Address, method: Method, message: Message, change: Any
) -> Saved | Refused:
    given = objects.taken(credential, at, method, message, RECORDS)
    if isinstance(given, Refused):
        return refuse(ctx, credential, message, RECORDS.name, given, party=at.party, object_id=at.object_id)

    def checked(known: Json | None) -> Json | Refused | None:
        made = change(known, given)
        if not isinstance(made, dict):
            return made  # type: ignore[no-any-return]
        return fault(made) or made

    return objects.save(ctx, credential, at, message, RECORDS, checked)


def _address(message: Message) -> Address | Refused:
    """Where a posted record will live."""
    value = read_json(message)
    if isinstance(value, Refused):
        return value
    if not isinstance(value, dict):
        return Refused("the body is no object", "body")
    wrong = fault(value)
    if wrong is not None:
        return wrong
    try:
        owner = party_ids.validate(party_ids.compact(value["country_code"], value["party_id"]))
    except InvalidInput:
        return Refused("country_code and party_id name no party", "party_id")
    return Address(owner[:2], owner[2:], value["id"])


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= most and value.isascii() and value.isprintable()
