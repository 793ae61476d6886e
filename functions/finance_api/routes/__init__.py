"""One file per room. A request loads only the file of its first path segment, so that a cold start stays short."""

#: First path segment behind /v1 -> the file of its routes.
FILES: dict[str, str] = {
    "audit": "exceptions",
    "bank-accounts": "bank",
    "cdrs": "cdrs",
    "contracts": "contracts",
    "credentials": "partners",
    "disputes": "disputes",
    "document-by-reference": "runs",
    "exceptions": "exceptions",
    "invoices": "runs",
    "issuer": "contracts",
    "payments": "bank",
    "runs": "runs",
    "statements": "bank",
}
