"""One file per room; ``ROUTERS`` lists them all."""

from functions.finance_api.routes import cdrs, contracts, disputes, exceptions, partners, runs

ROUTERS = (
    contracts.router,
    partners.router,
    cdrs.router,
    disputes.router,
    runs.router,
    exceptions.router,
)
