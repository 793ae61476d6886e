"""One file per OCPI module; ``ROUTERS`` lists them all, the busiest first."""

from functions.ocpi_api.routes import cdrs, conformance, credentials, invoices, locations, tariffs, versions

ROUTERS = (
    cdrs.router,
    locations.router,
    tariffs.router,
    credentials.router,
    invoices.router,
    conformance.router,
    versions.router,
)
