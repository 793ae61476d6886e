"""One file per room. A request loads only the file of its first path segment, so that a cold start stays short."""

#: First path segment behind /v1 -> the file of its routes.
FILES: dict[str, str] = {
    "assignment-policy": "evses",
    "assignment-requests": "evses",
    "audit": "exceptions",
    "bank-accounts": "bank",
    "batches": "payouts",
    "cdrs": "cdrs",
    "contracts": "contracts",
    "credentials": "partners",
    "disputes": "disputes",
    "document-by-reference": "runs",
    "evses": "evses",
    "evses:assign": "evses",
    "evses:counts": "evses",
    "evses:impact": "evses",
    "evses:unassign": "evses",
    "exceptions": "exceptions",
    "invoices": "runs",
    "issuer": "contracts",
    "payments": "bank",
    "payout-accounts": "evses",
    "payouts": "payouts",
    "payouts:close": "payouts",
    "runs": "runs",
    "statements": "bank",
}
