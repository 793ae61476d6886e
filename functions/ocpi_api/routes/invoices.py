"""Invoice Reconciliation: the Sender to eMSPs (OCPI 2.3.0 ed2, mod_invoice_reconciliation)."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.ocpi_api.http import Call
from roamclear.kernel.errors import NotFound

router = APIGatewayHttpRouter()


@router.get("/<version>/invoicereconciliation")
def list_records(version: str) -> Response[str]:
    """Which CDRs are on which invoice of the calling eMSP."""
    # Rarely asked for, and it knows the billing room: kept out of every other request's cold start.
    from roamclear.ocpi import reconciliation

    call = Call(router, version)
    credential = call.partner()
    if version != reconciliation.VERSION:
        raise NotFound("this version knows no such module")
    page = reconciliation.record_page(call.ctx, credential, call.query())
    return call.listed("invoicereconciliation", page)
