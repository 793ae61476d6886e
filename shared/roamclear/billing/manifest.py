"""The lock manifest: what was locked, so that changing one byte of it is seen (product.md B5). Pure; works offline.

The root is a SHA-256 Merkle root over, in this order, the rating inputs (one leaf per contract version that priced a
member or charged a fee), the members (one leaf each: the CDR's bytes, its rating and its net) and the fees. It is
printed on the document and the session list, and the manifest lies under Object Lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import Field, ValidationError

from roamclear.cdrs.detail.model import Expired, expired
from roamclear.contracts.fees import FeeCharge
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.record import Record

FORMAT = "roamclear-lock-1"
_DIGEST = r"^[0-9a-f]{64}$"


class Locked(Record):
    """One locked session: SHA-256 of its CDR's bytes as received, and what it costs."""

    cdr_ref: str
    sha256: str = Field(pattern=_DIGEST)
    contract_version: int
    rating_version: int
    net_minor: int
    currency: str

    def leaf(self) -> bytes:
        """The member's leaf."""
        return _leaf("member", self.dump())


class LockedFee(Record):
    """One fee of a run: what was counted and what it costs."""

    code: str
    contract_version: int
    counted: Decimal | None = None
    net_minor: int
    currency: str

    def leaf(self) -> bytes:
        """The fee's leaf."""
        return _leaf("fee", self.dump())


class Manifest(Record):
    """What a run locked, and the root over it. ``terms`` holds the digest of each contract version's terms."""

    format: str = Field(FORMAT, pattern=f"^{FORMAT}$")
    issuer_id: str
    run_id: str
    terms: dict[str, str]
    members: tuple[Locked, ...]
    fees: tuple[LockedFee, ...] = ()
    root: str = Field(pattern=_DIGEST)

    def to_bytes(self) -> bytes:
        """The manifest's canonical bytes."""
        return numbers_json.dumps(self.dump(), sort_keys=True).encode()


class Verdict(Record):
    """What checking came to. ``unknown`` are the digests of bodies that no member has.

    ``expired`` are the members whose detail was given up after its term: of them only the kept hash can be compared
    with the leaf, not the bytes.
    """

    holds: bool
    root: str
    computed: str
    members: int
    checked: int
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    expired: tuple[Expired, ...] = ()


def locked_fee(charge: FeeCharge) -> LockedFee:
    """The entry of a fee."""
    return LockedFee(
        code=charge.code,
        contract_version=charge.contract_version,
        counted=charge.counted,
        net_minor=charge.net.amount_minor,
        currency=charge.net.currency,
    )


def key_of(issuer_id: str, run_id: str) -> str:
    """Where the manifest of a run lies in the archive."""
    return f"{issuer_id}/locks/{run_id}.json"


def make(
    issuer_id: str, run_id: str, terms: Mapping[int, str], members: Sequence[Locked], fees: Sequence[LockedFee] = ()
) -> Manifest:
    """The manifest of a run; ``terms`` are canonical texts of the contract versions that priced it."""
    digests = {str(version): hashlib.sha256(text.encode()).hexdigest() for version, text in sorted(terms.items())}
    root = root_of(digests, members, fees)
    return Manifest(
        issuer_id=issuer_id, run_id=run_id, terms=digests, members=tuple(members), fees=tuple(fees), root=root
    )


def root_of(terms: Mapping[str, str], members: Iterable[Locked], fees: Iterable[LockedFee] = ()) -> str:
    """The Merkle root over rating inputs, members and fees, in their order."""
    inputs = [_leaf("terms", {"version": v, "sha256": d}) for v, d in sorted(terms.items(), key=lambda i: int(i[0]))]
    return merkle_root([*inputs, *(m.leaf() for m in members), *(f.leaf() for f in fees)])


def merkle_root(leaves: Sequence[bytes]) -> str:
    """SHA-256 Merkle root of leaf digests; an odd one is carried up; none gives the hash of nothing.

    >>> merkle_root([]) == hashlib.sha256(b"").hexdigest()
    True
    """
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex()


def read(data: bytes) -> Manifest:
    """A manifest from its bytes, or ``InvalidInput`` naming what is wrong."""
    try:
        return Manifest.model_validate(numbers_json.loads(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(p) for p in first["loc"])
        raise InvalidInput(f"this is no lock manifest: {place}: {first['msg']}", field=place or "manifest") from error


def verify(manifest: Manifest, bodies: Iterable[bytes]) -> Verdict:
    """Whether the root fits the list, and every member has its body unchanged.

    For a body whose detail has expired stands the hash of what came: the leaf is kept, the bytes are not, and the
    verdict names it.
    """
    computed = root_of(manifest.terms, manifest.members, manifest.fees)
    wanted = {m.sha256: m.cdr_ref for m in manifest.members}
    given, left = set[str](), dict[str, Expired]()
    for body in bodies:
        gone = expired(body)
        digest = gone.sha256 if gone is not None else hashlib.sha256(body).hexdigest()
        if gone is not None and digest in wanted:
            left[digest] = gone
        else:
            given.add(digest)
    missing = tuple(sorted(ref for digest, ref in wanted.items() if digest not in given and digest not in left))
    unknown = tuple(sorted(digest for digest in given if digest not in wanted))
    return Verdict(
        holds=computed == manifest.root and not missing and not unknown,
        root=manifest.root,
        computed=computed,
        members=len(manifest.members),
        checked=len(given & set(wanted)),
        missing=missing,
        unknown=unknown,
        expired=tuple(sorted((e for d, e in left.items() if d not in given), key=lambda e: e.cdr_ref)),
    )


def _leaf(kind: str, value: dict[str, Any]) -> bytes:
    text = numbers_json.dumps({"kind": kind, **value}, sort_keys=True)
    return hashlib.sha256(b"\x00" + text.encode()).digest()
