"""The resolver of the JSON API with all its routes."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from functions.finance_api import http
from functions.finance_api.routes import ROUTERS
from roamclear.aws.observe import logger
from roamclear.kernel.errors import InvariantBroken, RoamclearError

app = APIGatewayHttpResolver()
for _router in ROUTERS:
    app.include_router(_router, prefix="/v1")


@app.exception_handler(RoamclearError)
def on_error(error: RoamclearError) -> Response[str]:
    """Every error of the house as a problem document."""
    return http.problem(error)


@app.exception_handler(Exception)
def on_fault(error: Exception) -> Response[str]:
    """What nobody expected: logged by the handler's edge, told without its text."""
    logger.exception("unexpected fault", exc_info=error)
    return http.problem(InvariantBroken("an unexpected fault; it was recorded"))
