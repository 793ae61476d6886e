"""Grants the first roles of a deployment; only an operator of the account may invoke it (docs/deploy.md)."""

from __future__ import annotations

from typing import Any

from roamclear.aws.compose import context as compose
from roamclear.aws.observe import logger
from roamclear.identity import service as identity
from roamclear.identity.model import Grant


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"grants": [{"actor_id", "label", "issuer_id", "roles": [...], "contract_id"?, "account_id"?}]}."""
    ctx = compose()
    for item in event.get("grants", []):
        shared = {k: item.get(k) for k in ("issuer_id", "contract_id", "account_id")}
        grants = tuple(Grant.model_validate({**shared, "role": role}) for role in item["roles"])
        identity.bootstrap(ctx, item["actor_id"], item.get("label", ""), grants)
    return {"granted": len(event.get("grants", []))}
