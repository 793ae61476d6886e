"""KMS: what must be read again and yet stand nowhere in clear (docs/decisions/0018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from roamclear.kernel.errors import Unavailable

#: Every call names it beside what the caller binds to; the roles are held to it (infra/constructs/functions.py).
PURPOSE = "peer-token"


@dataclass(slots=True)
class Kms:
    """``Sealer`` over one key of KMS; the key's own rotation leaves what was sealed before readable."""

    client: Callable[[], Any]
    key_id: str

    def seal(self, text: str, bound_to: Mapping[str, str]) -> bytes:
        """Ciphertext of a text of at most 4 KB, readable only with the same ``bound_to``."""
        try:
            answer = self.client().encrypt(
                KeyId=self.key_id, Plaintext=text.encode(), EncryptionContext=_bound(bound_to)
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable("the key service did not seal") from error
        return bytes(answer["CiphertextBlob"])

    def unseal(self, sealed: bytes, bound_to: Mapping[str, str]) -> str:
        """The text; ``Unavailable`` also where it was sealed by another key or for something else."""
        try:
            answer = self.client().decrypt(KeyId=self.key_id, CiphertextBlob=sealed, EncryptionContext=_bound(bound_to))
        except (ClientError, BotoCoreError) as error:
            raise Unavailable("the key service did not unseal") from error
        return bytes(answer["Plaintext"]).decode()


def _bound(to: Mapping[str, str]) -> dict[str, str]:
    return {**to, "purpose": PURPOSE}
