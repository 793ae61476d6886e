"""Receivers of client owned objects: Locations at their three levels, and Tariffs (OCPI mod_locations, mod_tariffs)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from roamclear.identity.model import Right
from roamclear.identity.rules import authorise
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context, Database, Row
from roamclear.kernel.errors import Busy, ConditionFailed, InvalidInput, NotFound
from roamclear.kernel.time import format_instant, parse_instant
from roamclear.ocpi import rules, store
from roamclear.ocpi.intake import read_json, refuse
from roamclear.ocpi.model import ROW_LIMIT_BYTES, Code, Message, Refused, StoredObject
from roamclear.partners.model import Credential
from roamclear.rating.service import normalise_tariff

Json = dict[str, Any]
Method = Literal["PUT", "PATCH"]
_TRIES = 8
_MAX_CHILDREN = 5_000


@dataclass(frozen=True, slots=True)
class Saved:
    """An object is stored as the owner described it; ``stale`` where a newer description was there already."""

    created: bool
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Where a client owned object lives: ``{country}/{party}/{id}[/{evse}[/{connector}]]``, as sent."""

    country_code: str
    party_id: str
    object_id: str
    evse_uid: str | None = None
    connector_id: str | None = None

    @property
    def party(self) -> str:
        """The folded owner."""
        return f"{self.country_code}{self.party_id}".upper()


@dataclass(frozen=True, slots=True)
class Module:
    """A kind of client owned object: its name, its rows, and the parties a credential may own such objects for."""

    name: str
    read: Callable[[Database, str, str, str], StoredObject | None]
    write: Callable[[Database, StoredObject], None]
    parties: Callable[[Credential], tuple[str, ...]]


def _cpo_parties(credential: Credential) -> tuple[str, ...]:
    return credential.cpo_parties


LOCATIONS = Module("locations", store.location, store.save_location, _cpo_parties)
TARIFFS = Module("tariffs", store.tariff, store.save_tariff, _cpo_parties)


def save_location(
    ctx: Context, credential: Credential, at: Address, method: Method, message: Message
) -> Saved | Refused:
    """PUT or PATCH a Location, an EVSE or a Connector; children change their parents' ``last_updated`` too.

    A child of an unknown Location is 2003: the partner sends the Location first. A description older than the stored
    one changes nothing.
    """
    given = taken(credential, at, method, message, LOCATIONS)
    if isinstance(given, Refused):
        return refuse(ctx, credential, message, LOCATIONS.name, given, party=at.party, object_id=at.object_id)

    def change(known: Json | None) -> Json | Refused | None:
        return _location_changed(known, at, method, given)

    return save(ctx, credential, at, message, LOCATIONS, change)


def save_tariff(ctx: Context, credential: Credential, at: Address, method: Method, message: Message) -> Saved | Refused:
    """PUT a Tariff (2.1.1 also PATCH); one that nothing can be priced with is refused."""
    given = taken(credential, at, method, message, TARIFFS)
    if isinstance(given, Refused):
        return refuse(ctx, credential, message, TARIFFS.name, given, party=at.party, object_id=at.object_id)

    def change(known: Json | None) -> Json | Refused | None:
        if known is None and method == "PATCH":
            return Refused("the tariff is not known", "id", Code.CLIENT)
        made = patched(known, given) if known is not None and method == "PATCH" else given
        try:
            normalise_tariff(made, message.version)
        except InvalidInput as error:
            return Refused(error.message, error.field)
        return None if method == "PUT" and older(made, known) else made

    return save(ctx, credential, at, message, TARIFFS, change)


def delete_tariff(ctx: Context, credential: Credential, at: Address) -> None:
    """The owner takes a Tariff back; CDRs keep the copies they carry. Unknown ones are ``NotFound``."""
    delete(ctx, credential, at, TARIFFS)


def delete(ctx: Context, credential: Credential, at: Address, module: Module) -> None:
    """The owner takes an object back: it is not there any more for readers, its row stays. Unknown: ``NotFound``."""
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    for _ in range(_TRIES):
        known = stored(ctx, credential, at, module)
        if known is None or known.deleted:
            raise NotFound("no such object")
        gone = {"deleted": True, "revision": known.revision + 1, "received_at_utc": ctx.now()}
        try:
            return module.write(ctx.db, known.model_copy(update=gone))
        except ConditionFailed:
            continue
    raise Busy("the object is changed by too many at once")


def read_location(ctx: Context, credential: Credential, at: Address) -> bytes:
    """The JSON of a Location, an EVSE or a Connector as its owner described it, or ``NotFound``."""
    known = stored(ctx, credential, at, LOCATIONS)
    if known is None:
        raise NotFound("no such location")
    raw = zlib.decompress(known.raw)
    if at.evse_uid is None:
        return raw
    found = _child(loaded(raw), "evses", "uid", at.evse_uid)
    if found is not None and at.connector_id is not None:
        found = _child(found, "connectors", "id", at.connector_id)
    if found is None:
        raise NotFound("no such EVSE or connector")
    return numbers_json.dumps(found).encode()


def read_tariff(ctx: Context, credential: Credential, at: Address) -> bytes:
    """The JSON of a Tariff as its owner described it, or ``NotFound``."""
    return read(ctx, credential, at, TARIFFS)


def read(ctx: Context, credential: Credential, at: Address, module: Module) -> bytes:
    """The JSON of a whole object as its owner described it, or ``NotFound``."""
    known = stored(ctx, credential, at, module)
    if known is None or known.deleted:
        raise NotFound("no such object")
    return zlib.decompress(known.raw)


def stored_object(row: Row) -> tuple[StoredObject, Json]:
    """A Location or Tariff row of the intake stream with its JSON (numbers exact)."""
    found = StoredObject.load(row)
    return found, loaded(zlib.decompress(found.raw))


def taken(credential: Credential, at: Address, method: Method, message: Message, module: Module) -> Json | Refused:
    """The body of a PUT or PATCH, once it is one that the caller may send to this address."""
    authorise(credential.actor(), Right.CDR_PUSH, credential.issuer_id)
    if at.party not in module.parties(credential):
        return Refused("party_id: this token may not write for this party", "party_id")
    for part in (at.object_id, at.evse_uid, at.connector_id):
        if part is not None and not 1 <= len(part) <= rules.MAX_ID:
            return Refused(f"an id has 1 to {rules.MAX_ID} characters", "id")
    value = read_json(message)
    if isinstance(value, Refused):
        return value
    if not isinstance(value, dict):
        return Refused("the body is no object", "body")
    wrong = _id_fault(value, at)
    if wrong is not None:
        return wrong
    if method == "PUT" and at.evse_uid is None and value.get("id") is None:
        return Refused("id is missing", "id")
    if method == "PATCH" and message.version != "2.1.1" and value.get("last_updated") is None:
        return Refused("a PATCH carries last_updated (OCPI transport, PATCH)", "last_updated")
    if value.get("last_updated") is not None:
        try:
            parse_instant(value["last_updated"], field="last_updated")
        except (InvalidInput, OverflowError):
            return Refused("last_updated is no RFC 3339 date-time", "last_updated")
    return value


def _id_fault(value: Json, at: Address) -> Refused | None:
    if at.connector_id is not None:
        said, expected, key = value.get("id"), at.connector_id, "id"
    elif at.evse_uid is not None:
        said, expected, key = value.get("uid"), at.evse_uid, "uid"
    else:
        return rules.check_owner_in_url(value, at.party, at.object_id, "id")
    if said is not None and str(said).upper() != expected.upper():
        return Refused(f"{key} differs from the address", key)
    return None


def save(
    ctx: Context,
    credential: Credential,
    at: Address,
    message: Message,
    module: Module,
    change: Callable[[Json | None], Json | Refused | None],
) -> Saved | Refused:
    """Change an object over exactly the revision that was read; a lost race is run again."""
    for _ in range(_TRIES):
        known = stored(ctx, credential, at, module)
        alive = known is not None and not known.deleted
        made = change(loaded(zlib.decompress(known.raw)) if known is not None and alive else None)
        if isinstance(made, Refused):
            return refuse(ctx, credential, message, module.name, made, party=at.party, object_id=at.object_id)
        if made is None:
            return Saved(created=False, stale=True)
        raw = zlib.compress(numbers_json.dumps(made).encode(), 6)
        if len(raw) > ROW_LIMIT_BYTES:
            large = Refused(f"the object is larger than {ROW_LIMIT_BYTES} bytes even when compressed", "body")
            return refuse(ctx, credential, message, module.name, large, party=at.party, object_id=at.object_id)
        if credential.sandbox or (known is not None and alive and known.raw == raw):
            return Saved(created=not alive)
        row = StoredObject(
            issuer_id=credential.issuer_id,
            party=at.party,
            object_id=at.object_id,
            partner_id=credential.partner_id,
            ocpi_version=message.version,
            received_at_utc=ctx.now(),
            last_updated_utc=_instant(made),
            raw=raw,
            revision=known.revision + 1 if known is not None else 1,
        )
        try:
            module.write(ctx.db, row)
        except ConditionFailed:
            continue
        return Saved(created=not alive)
    raise Busy("the object is changed by too many at once")


def stored(ctx: Context, credential: Credential, at: Address, module: Module) -> StoredObject | None:
    """An object of the caller's own parties or None; deleted ones too."""
    if at.party not in module.parties(credential):
        return None
    return module.read(ctx.db, credential.issuer_id, at.party, at.object_id)


def _location_changed(known: Json | None, at: Address, method: Method, given: Json) -> Json | Refused | None:
    """The Location after a change; None where the stored one is newer."""
    if known is None and (method == "PATCH" or at.evse_uid is not None):
        return Refused("the location is not known: send it first", "location_id", Code.UNKNOWN_LOCATION)
    if known is None:
        return given
    if at.evse_uid is None:
        if method == "PATCH":
            return patched(known, given)
        return None if older(given, known) else given
    evse = _child(known, "evses", "uid", at.evse_uid)
    if at.connector_id is None:
        changed = _child_changed(evse, given, method, {"uid": at.evse_uid})
    elif evse is None:
        return Refused("the EVSE is not known: send it first", "evse_uid", Code.UNKNOWN_LOCATION)
    else:
        connector = _child(evse, "connectors", "id", at.connector_id)
        changed = _child_changed(connector, given, method, {"id": at.connector_id})
        if isinstance(changed, dict):
            changed = _with_child(evse, "connectors", "id", changed)
    if not isinstance(changed, dict):
        return changed
    return _with_child(known, "evses", "uid", changed)


def _child_changed(known: Json | None, given: Json, method: Method, key: Json) -> Json | Refused | None:
    if method == "PUT":
        return None if older(given, known) else {**key, **given}
    if known is None:
        return Refused("the EVSE or connector is not known: send it first", next(iter(key)), Code.UNKNOWN_LOCATION)
    return patched(known, given)


def _with_child(parent: Json, name: str, key: str, child: Json) -> Json:
    """The parent with one child replaced or added and at least the child's ``last_updated``."""
    children = parent[name] if isinstance(parent.get(name), list) else []
    same = [i for i, c in enumerate(children) if isinstance(c, dict) and _same(c.get(key), child.get(key))]
    listed = [*children]
    if same:
        listed[same[0]] = child
    elif len(listed) < _MAX_CHILDREN:
        listed.append(child)
    made = {**parent, name: listed}
    mine, theirs = _instant(parent), _instant(child)
    if theirs is not None and (mine is None or theirs > mine):
        made["last_updated"] = format_instant(theirs)
    return made


def _child(parent: Json, name: str, key: str, wanted: str) -> Json | None:
    children = parent.get(name)
    if not isinstance(children, list):
        return None
    return next((c for c in children if isinstance(c, dict) and _same(c.get(key), wanted)), None)


def _same(left: Any, right: Any) -> bool:
    return str(left).upper() == str(right).upper()


def patched(known: Json, given: Json) -> Json:
    """A PATCH sets values and cannot delete any (OCPI transport, PATCH); ``last_updated`` never goes back."""
    made = known | {name: value for name, value in given.items() if value is not None}
    if older(given, known):
        made["last_updated"] = known["last_updated"]
    return made


def older(made: Json, known: Json | None) -> bool:
    """Whether a description is older than the stored one, as far as both tell."""
    mine, theirs = _instant(made), _instant(known) if known is not None else None
    return mine is not None and theirs is not None and mine < theirs


def _instant(obj: Json) -> datetime | None:
    try:
        return parse_instant(obj["last_updated"])
    except (KeyError, InvalidInput, OverflowError):
        return None


def loaded(raw: bytes) -> Json:
    """Stored JSON of an object, numbers exact."""
    value = numbers_json.loads(raw)
    return value if isinstance(value, dict) else {}
