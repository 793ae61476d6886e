"""One file per OCPI module; ``ROUTERS`` lists them all, the busiest first."""

from functions.ocpi_api.routes import cdrs, credentials, locations, tariffs, versions

ROUTERS = (cdrs.router, locations.router, tariffs.router, credentials.router, versions.router)
