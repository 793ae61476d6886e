"""What of a driver a person is shown: token and contract id are personal data (product.md row 139, GDPR).

Stored bodies stay as they came; only what is shown is masked.
"""

from __future__ import annotations

from typing import Any

from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import TABLE
from roamclear.kernel.ids import contract_id

#: Fields of a CDR in any OCPI version that name a driver or a card.
_NAMES = frozenset({"uid", "contract_id", "auth_id", "visual_number"})
#: Signed meter values carry the card in the clear (OCMF); without the need for it they are left out.
_WITHHELD = frozenset({"signed_data"})
_NESTED = frozenset({"cdr_token", "token"})


def body(actor: Actor, issuer_id: str, raw: Any) -> Any:
    """A CDR body as an actor may see it: whole with the right TOKEN_VIEW, else without whose card it was.

    >>> body(Actor(actor_id="v"), "a", {"auth_id": "04A2B3C4D5", "id": "CDR-1"})
    {'auth_id': '*******4D5', 'id': 'CDR-1'}
    """
    roles = {grant.role for grant in actor.grants if grant.issuer_id == issuer_id}
    return raw if roles & TABLE[Right.TOKEN_VIEW] else _masked(raw)


def _masked(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_masked(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    return {name: _field(name, value) for name, value in raw.items() if name not in _WITHHELD}


def _field(name: str, value: Any) -> Any:
    if name in _NESTED and isinstance(value, dict):
        return {key: _hidden(part) if key in _NAMES else part for key, part in value.items()}
    return _hidden(value) if name == "auth_id" else value


def _hidden(value: Any) -> Any:
    return contract_id.format(value) if isinstance(value, str) else None
