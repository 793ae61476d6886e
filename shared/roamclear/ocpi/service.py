"""What the OCPI routes, the streams and the schedules may ask of this room."""

from __future__ import annotations

from roamclear.ocpi.intake import body_of, receive_cdr
from roamclear.ocpi.objects import (
    Address,
    Saved,
    delete_tariff,
    read_location,
    read_tariff,
    save_location,
    save_tariff,
    stored_object,
)
from roamclear.ocpi.paging import MAX_LIMIT
from roamclear.ocpi.rules import cdr_ref, location_url
from roamclear.ocpi.sender import cdr_page, stored_cdr, tariff_page
from roamclear.ocpi.versions import details, versions

__all__ = [
    "MAX_LIMIT",
    "Address",
    "Saved",
    "body_of",
    "cdr_page",
    "cdr_ref",
    "delete_tariff",
    "details",
    "location_url",
    "read_location",
    "read_tariff",
    "receive_cdr",
    "save_location",
    "save_tariff",
    "stored_cdr",
    "stored_object",
    "tariff_page",
    "versions",
]
