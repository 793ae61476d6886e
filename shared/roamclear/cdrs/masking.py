"""What of a driver a person is shown: token and contract id are personal data (product.md row 139, GDPR).

Stored bodies stay as they came; only what is shown is masked.
"""

from __future__ import annotations

import re
from typing import Any

from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import TABLE
from roamclear.kernel.ids import contract_id

#: Fields of a CDR in any OCPI version that name a driver or a card.
_NAMES = frozenset({"uid", "contract_id", "auth_id", "visual_number", "authorization_reference"})
#: Signed meter values carry the card in the clear (OCMF); without the need for it they are left out.
_WITHHELD = frozenset({"signed_data"})
_NESTED = frozenset({"cdr_token", "token"})
_OUTSIDE = frozenset({"auth_id", "authorization_reference"})
#: Shorter words stand in too many texts that do not mean them.
_LEAST = 4


def sees(actor: Actor, issuer_id: str) -> bool:
    """Whether an actor holds the right TOKEN_VIEW at an issuer."""
    return bool({grant.role for grant in actor.grants if grant.issuer_id == issuer_id} & TABLE[Right.TOKEN_VIEW])


def body(actor: Actor, issuer_id: str, raw: Any) -> Any:
    """A CDR body as an actor may see it: whole with the right TOKEN_VIEW, else without whose card it was.

    What a named field says is hidden wherever else it stands, whatever the field there is called.

    >>> body(Actor(actor_id="v"), "a", {"auth_id": "04A2B3C4D5", "id": "CDR-1", "remark": "card 04A2B3C4D5"})
    {'auth_id': '*******4D5', 'id': 'CDR-1', 'remark': 'card *******4D5'}
    """
    return raw if sees(actor, issuer_id) else _scrubbed(_masked(raw), words_of(raw))


def said(actor: Actor, issuer_id: str, text: Any, raw: Any) -> Any:
    """What people or machines said of a CDR (texts in lists and objects too), without whose card its body names."""
    return text if sees(actor, issuer_id) else _scrubbed(text, words_of(raw))


def words_of(raw: Any) -> tuple[str, ...]:
    """What the named fields of a body say, the longest first."""
    found: set[str] = set()
    for item in raw if isinstance(raw, list) else [raw]:
        if isinstance(item, dict):
            found |= {str(item[name]) for name in _OUTSIDE if isinstance(item.get(name), str)}
            for place in _NESTED:
                inner = item.get(place)
                if isinstance(inner, dict):
                    found |= {str(inner[name]) for name in _NAMES if isinstance(inner.get(name), str)}
    return tuple(sorted((word for word in found if len(word) >= _LEAST), key=len, reverse=True))


def _masked(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_masked(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    return {name: _field(name, value) for name, value in raw.items() if name not in _WITHHELD}


def _field(name: str, value: Any) -> Any:
    if name in _NESTED and isinstance(value, dict):
        return {key: _hidden(part) if key in _NAMES else part for key, part in value.items()}
    return _hidden(value) if name in _OUTSIDE else value


def _hidden(value: Any) -> Any:
    return contract_id.format(value) if isinstance(value, str) else None


def _scrubbed(value: Any, words: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        for word in words:
            value = re.sub(re.escape(word), contract_id.format(word), value, flags=re.IGNORECASE)
        return value
    if isinstance(value, dict):
        return {name: _scrubbed(part, words) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(part, words) for part in value]
    return value
