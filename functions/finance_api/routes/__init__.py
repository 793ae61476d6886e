"""One file per room; ``ROUTERS`` lists them all."""

from functions.finance_api.routes import contracts, partners

ROUTERS = (contracts.router, partners.router)
