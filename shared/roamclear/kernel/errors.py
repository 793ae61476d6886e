"""The one error tree.

Every error carries a stable ``code`` (an integrator may switch on it), a message that is safe to show, and details
without personal data. Expected outcomes (a held session, an unmatched payment) are return values, never errors.
"""

from __future__ import annotations

from typing import Any, ClassVar


class RoamclearError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "ERROR"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(RoamclearError, ValueError):
    """The caller sent something that can never be taken; ``field`` names the place.

    It is a ``ValueError`` too, so that a model's validator may raise it.
    """

    code = "INVALID_INPUT"

    def __init__(self, message: str, *, field: str, **details: Any) -> None:
        super().__init__(message, field=field, **details)
        self.field = field


class NotAuthenticated(RoamclearError):
    """No actor is known for this request."""

    code = "NOT_AUTHENTICATED"


class Forbidden(RoamclearError):
    """The actor is known and may not do this here."""

    code = "FORBIDDEN"


class NotFound(RoamclearError):
    """No such object, or one of another issuer, partner or account holder: the caller cannot tell which."""

    code = "NOT_FOUND"


class Conflict(RoamclearError):
    """The object is in a state that does not allow this; ``code`` may be narrowed by a subclass."""

    code = "CONFLICT"


class WindowClosed(Conflict):
    """The control window is over; ``closed_at_utc`` says since when (product.md row 36)."""

    code = "WINDOW_CLOSED"


class Locked(Conflict):
    """The run is locked: only a credit by the CPO may correct it (product.md row 43)."""

    code = "LOCKED"


class DetailExpired(Conflict):
    """The detail of a session was given up after its term; ``expired_at_utc`` says when (product.md row 139)."""

    code = "DETAIL_EXPIRED"


class Stale(Conflict):
    """The caller changed an object it had not read in its present state (If-Match, RFC 9110)."""

    code = "STALE"


class MatchRequired(RoamclearError):
    """A change of what is there must say which state was read (If-Match; RFC 6585, 3)."""

    code = "MATCH_REQUIRED"


class ConditionFailed(Conflict):
    """A conditional write lost; ``index`` is its place in the transaction, ``current`` the row that was found."""

    code = "CONDITION_FAILED"

    def __init__(self, message: str, *, index: int = 0, table: str = "", current: dict[str, Any] | None = None) -> None:
        super().__init__(message, index=index)
        self.index = index
        self.table = table
        self.current = current


class Busy(RoamclearError):
    """A store refused for load or contention after all retries; trying again is right."""

    code = "BUSY"


class InProgress(Busy):
    """Another worker does exactly this at the moment; who comes again finds it done, or does it."""

    code = "IN_PROGRESS"


class TooManyRequests(Busy):
    """A partner asked more often than it may; ``retry_after_s`` says when to come again."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class Unavailable(RoamclearError):
    """Something outside (mail, bank folder, store) failed; trying again is right."""

    code = "UNAVAILABLE"


class InRecovery(Unavailable):
    """The stage was restored: nothing is numbered, sent or paid until it was compared (rules.md 10)."""

    code = "IN_RECOVERY"


class InvariantBroken(RoamclearError):
    """A rule that must always hold did not; nothing is written and a person must look."""

    code = "INVARIANT_BROKEN"
