"""Gives people their roles; only an operator of the account may invoke it (docs/deploy.md)."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.aws.tasks import named
from roamclear.identity import service as identity
from roamclear.identity.model import Grant


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"grants": [{"actor_id", "label", "issuer_id", "roles": [...], "contract_id"?, "account_id"?}]}."""
    # All are read before the first is written: a fault in the last one grants nothing.
    wanted = [(*named(item, "actor_id"), item.get("label", ""), _grants(item)) for item in event.get("grants", [])]
    ctx = compose()
    for actor_id, label, grants in wanted:
        identity.bootstrap(ctx, actor_id, label, grants)
    return {"granted": len(wanted)}


def _grants(item: dict[str, Any]) -> tuple[Grant, ...]:
    shared = {k: item.get(k) for k in ("issuer_id", "contract_id", "account_id")}
    return tuple(Grant.model_validate({**shared, "role": role}) for role in item.get("roles", []))
