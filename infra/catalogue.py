"""Every function in one typed table: size, time, layers, and exactly what it may touch.

The template is written from this table and tests/infra checks the template against it. The five tables know three
degrees of access; ledger and audit know only READ and APPEND, because no function may change or delete an entry.
"""

# Longer than 400 lines: one table of every function, so that who may do what is read in one place.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Access(Enum):
    """DynamoDB actions by degree."""

    READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
    APPEND = ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem")
    PUT = ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem")
    PUT_MANY = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem")
    GET_PUT_UPDATE = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
    QUERY_UPDATE = ("dynamodb:Query", "dynamodb:UpdateItem")
    WRITE = (
        "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
        "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
    )  # fmt: skip


class Objects(Enum):
    """S3 actions by degree; nobody may delete an object or its retention."""

    READ = ("s3:GetObject",)
    PUT = ("s3:PutObject",)
    BOTH = ("s3:GetObject", "s3:PutObject")
    #: Putting with a term of its own; in mode COMPLIANCE a term can only be made longer.
    LOCK = ("s3:PutObject", "s3:PutObjectRetention")
    BOTH_LOCK = ("s3:GetObject", "s3:PutObject", "s3:PutObjectRetention")


class Extra(Enum):
    """What a function may do beside tables and buckets."""

    MAIL = "send mail through SES"
    START_CLOSE = "start an execution of the month close"
    COMPLETE_TASK = "let a parked execution go on"
    WAKE = "make a one-off schedule that runs the sweep"
    URLS = "know the public base URL"
    SEAL = "seal a partner's token with the data key"
    UNSEAL = "read a partner's token again"
    SERVICES = "know the addresses of public services (VIES, ECB)"
    CONSOLE = "know where people sign in and where browsers post files"


READ, APPEND, PUT, PUT_MANY, WRITE = Access.READ, Access.APPEND, Access.PUT, Access.PUT_MANY, Access.WRITE


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function. ``concurrency`` is reserved where the stage reserves any; ``disk_mb`` is its /tmp."""

    name: str
    summary: str
    tables: Mapping[str, Access] = field(default_factory=dict)
    buckets: Mapping[str, Objects] = field(default_factory=dict)
    extras: frozenset[Extra] = frozenset()
    memory_mb: int = 512
    timeout_s: int = 60
    documents_layer: bool = False
    concurrency: int | None = None
    disk_mb: int = 512

    @property
    def handler(self) -> str:
        """The handler string of the template."""
        return f"functions.{self.name}.handler.handler"


def _task(
    name: str,
    summary: str,
    *,
    tables: Mapping[str, Access] | None = None,
    buckets: Mapping[str, Objects] | None = None,
    extras: frozenset[Extra] = frozenset(),
    documents: bool = False,
    memory_mb: int = 512,
    timeout_s: int = 300,
    disk_mb: int = 512,
) -> FunctionSpec:
    """A task of the month close: may read masters, write clearing rows and append to the audit trail."""
    access = {"identity": READ, "clearing": WRITE, "audit": APPEND, **(tables or {})}
    return FunctionSpec(
        name, summary, access, buckets or {}, extras, memory_mb, timeout_s, documents, disk_mb=disk_mb
    )  # fmt: skip


FUNCTIONS: tuple[FunctionSpec, ...] = (
    FunctionSpec(
        "ocpi_api",
        "the OCPI endpoint of partners",
        # A credential is rotated and a rate bucket counted by UpdateItem; a body is put once; lists are read.
        {"identity": Access.GET_PUT_UPDATE, "intake": WRITE, "clearing": READ, "audit": PUT},
        extras=frozenset({Extra.URLS, Extra.SEAL}),
        memory_mb=1024,
        timeout_s=28,
    ),
    FunctionSpec(
        "finance_api",
        "the JSON API of finance, operations and partners",
        {"identity": WRITE, "intake": READ, "clearing": WRITE, "ledger": APPEND, "audit": APPEND},
        {"documents": Objects.BOTH_LOCK, "inbox": Objects.PUT, "exports": Objects.BOTH, "archive": Objects.READ},
        frozenset({Extra.MAIL, Extra.START_CLOSE, Extra.COMPLETE_TASK, Extra.WAKE, Extra.URLS, Extra.SEAL}),
        memory_mb=1024,
        timeout_s=28,
    ),
    FunctionSpec(
        "open_link",
        "redirects a mailed link to a freshly signed address",
        {"clearing": Access.GET_PUT_UPDATE, "audit": PUT},
        {"documents": Objects.READ},
        frozenset({Extra.URLS}),
        timeout_s=10,
    ),
    FunctionSpec(
        "serve_console",
        "serves the pages for people; it knows no table and no bucket",
        extras=frozenset({Extra.CONSOLE}),
        memory_mb=512,
        timeout_s=10,
    ),
    FunctionSpec(
        "take_mail_event",
        "answers bounces and complaints that the mail service reports",
        {"clearing": WRITE},
        timeout_s=60,
    ),
    FunctionSpec(
        "deliver_documents",
        "draws and mails copies, reads what access points report",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        {"documents": Objects.BOTH_LOCK, "exports": Objects.BOTH},
        frozenset({Extra.MAIL, Extra.URLS}),
        memory_mb=2048,
        timeout_s=270,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "deliver_webhooks",
        "calls the receivers of webhooks about what happened",
        {"identity": READ, "clearing": WRITE},
        extras=frozenset({Extra.UNSEAL}),
        timeout_s=120,
        concurrency=1,
    ),
    FunctionSpec(
        "project_stream",
        "checks and rates what came in, and hands outbox facts to the higher rooms",
        {"identity": READ, "intake": WRITE, "clearing": WRITE, "ledger": APPEND, "audit": APPEND},
        # What is accepted becomes a payout, unless the archive knows its number (RECOVERY).
        # The ids of a long document lie in the exports between two pieces (decision 0046).
        {"documents": Objects.READ, "archive": Objects.READ, "exports": Objects.BOTH},
        # Both sides of a dispute are mailed what the other one said, with the page where it stands.
        frozenset({Extra.MAIL, Extra.START_CLOSE, Extra.WAKE, Extra.COMPLETE_TASK, Extra.URLS}),
        memory_mb=1024,
        timeout_s=120,
    ),
    FunctionSpec(
        "copy_ledger",
        "copies each ledger and audit entry to the Object-Lock bucket",
        # The term of an entry is its issuer's.
        {"clearing": READ},
        {"archive": Objects.BOTH_LOCK},
        timeout_s=120,
    ),
    FunctionSpec(
        "keep_changes",
        "keeps what changed in the tables beside them, for the way forward after a restore",
        buckets={"changes": Objects.BOTH},
        timeout_s=120,
    ),
    FunctionSpec(
        "recover",
        "after a restore: compares the tables with the archive and brings them forward; only an operator invokes it",
        {"identity": READ, "intake": WRITE, "clearing": WRITE, "ledger": PUT_MANY, "audit": PUT_MANY},
        {"documents": Objects.READ, "archive": Objects.READ, "changes": Objects.BOTH},
        memory_mb=3008,
        timeout_s=900,
        concurrency=1,
    ),
    FunctionSpec(
        "sweep",
        "does what is due by the one clock and replays what was not acknowledged",
        {"identity": READ, "intake": WRITE, "clearing": WRITE, "ledger": APPEND, "audit": APPEND},
        {"documents": Objects.READ, "changes": Objects.BOTH, "archive": Objects.READ, "exports": Objects.BOTH},
        frozenset({Extra.MAIL, Extra.START_CLOSE, Extra.COMPLETE_TASK, Extra.WAKE, Extra.URLS}),
        memory_mb=1024,
        timeout_s=270,
        concurrency=2,
    ),
    FunctionSpec(
        "start_close",
        "starts one execution per contract and finished period",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        extras=frozenset({Extra.START_CLOSE}),
        timeout_s=270,
        concurrency=1,
    ),
    FunctionSpec(
        "import_bank_file",
        "reads bank files of the inbox, posts and matches them",
        {"identity": READ, "clearing": WRITE, "ledger": APPEND, "audit": APPEND},
        {"inbox": Objects.READ, "archive": Objects.BOTH_LOCK},
        frozenset({Extra.WAKE}),
        memory_mb=1024,
        timeout_s=600,
        documents_layer=True,
        concurrency=2,
    ),
    FunctionSpec(
        "pull_cdrs",
        "reads from CPOs what their push missed",
        # A body is put once; the marks, reports and exceptions of a night are put or updated.
        {"identity": READ, "intake": PUT_MANY, "clearing": WRITE},
        extras=frozenset({Extra.UNSEAL}),
        memory_mb=1024,
        timeout_s=900,
        concurrency=1,
    ),
    FunctionSpec(
        "import_cdr_file",
        "takes in CDRs from files of the inbox, with a result beside each",
        {"identity": READ, "intake": PUT},
        {"inbox": Objects.BOTH},
        memory_mb=2048,
        timeout_s=900,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "compare_sessions",
        "compares partners' own lists with their runs",
        {"clearing": PUT_MANY},
        {"inbox": Objects.READ, "exports": Objects.PUT},
        memory_mb=2048,
        timeout_s=900,
        documents_layer=True,
        concurrency=2,
    ),
    FunctionSpec(
        "take_dispute_file",
        "looks at evidence and sheets of disputes that people posted",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        {"inbox": Objects.READ, "exports": Objects.BOTH},
        memory_mb=2048,
        timeout_s=900,
        documents_layer=True,
        concurrency=2,
    ),
    FunctionSpec(
        "draw_accruals",
        "draws the accrual packs of months that were asked for",
        {"identity": READ, "intake": READ, "clearing": READ, "ledger": READ},
        {"inbox": Objects.READ, "exports": Objects.BOTH},
        memory_mb=2048,
        timeout_s=900,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "export_window",
        "draws the lists of open windows that were asked for",
        {"identity": READ, "intake": READ, "clearing": READ},
        {"inbox": Objects.READ, "exports": Objects.BOTH},
        frozenset({Extra.URLS}),
        memory_mb=2048,
        timeout_s=900,
        documents_layer=True,
        concurrency=2,
        disk_mb=6144,
    ),
    FunctionSpec(
        "rehearse",
        "rehearses closes and draws previews; all it may write is a rehearsal's row and its files",
        {"identity": READ, "intake": READ, "clearing": PUT_MANY, "ledger": READ, "audit": READ},
        {"documents": Objects.READ, "archive": Objects.READ, "exports": Objects.BOTH},
        frozenset({Extra.URLS}),
        memory_mb=3008,
        timeout_s=900,
        documents_layer=True,
        concurrency=2,
        disk_mb=8192,
    ),
    FunctionSpec(
        "nightly_proof",
        "recounts sessions, documents, postings and archive copies and locks the digest",
        {"identity": READ, "intake": READ, "clearing": WRITE, "ledger": READ, "audit": PUT_MANY},
        {"archive": Objects.BOTH_LOCK, "documents": Objects.READ},
        memory_mb=2048,
        timeout_s=900,
    ),
    FunctionSpec(
        "refresh_calendars",
        "stores the holidays of the places that deadlines and payments are counted by",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        timeout_s=300,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "refresh_rates",
        "stores the reference rates that the ECB publishes",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        extras=frozenset({Extra.SERVICES}),
        timeout_s=120,
        concurrency=1,
    ),
    FunctionSpec(
        "refresh_vat_proofs",
        "asks VIES for the VAT ids that documents rest on, and keeps what it answers",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        extras=frozenset({Extra.SERVICES}),
        timeout_s=600,
        concurrency=1,
    ),
    FunctionSpec(
        "export_payments",
        "writes the payment files of approved batches",
        {"identity": READ, "clearing": WRITE, "ledger": APPEND, "audit": APPEND},
        {"exports": Objects.BOTH, "archive": Objects.READ},
        timeout_s=300,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "render_payout_statement",
        "draws the statements and self-billed documents of payouts",
        {"identity": READ, "clearing": WRITE, "audit": APPEND},
        {"documents": Objects.BOTH_LOCK},
        memory_mb=2048,
        timeout_s=600,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "render_certificate",
        "draws the conformance certificates of partners",
        {"identity": READ, "intake": Access.QUERY_UPDATE, "clearing": READ},
        {"documents": Objects.LOCK},
        memory_mb=1024,
        timeout_s=300,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "expire_detail",
        "gives up the detail of sessions whose term is over",
        # A secret of pseudonyms is put once; bodies and sessions are replaced by what is left of them.
        {"identity": PUT, "intake": WRITE, "clearing": WRITE, "audit": APPEND},
        # What takes the place of files of disputes.
        {"exports": Objects.BOTH},
        memory_mb=1024,
        timeout_s=900,
        concurrency=1,
    ),
    FunctionSpec(
        "answer_data_requests",
        "answers requests of data subjects: finds, gives up what is over, writes the package",
        {"identity": PUT, "intake": WRITE, "clearing": WRITE, "audit": APPEND},
        {"exports": Objects.BOTH},
        memory_mb=2048,
        timeout_s=900,
        documents_layer=True,
        concurrency=1,
    ),
    FunctionSpec(
        "bootstrap",
        "gives people their roles; only an operator of the account may invoke it",
        {"identity": WRITE, "clearing": WRITE, "audit": APPEND},
        timeout_s=30,
    ),
    _task("prepare_run", "checks the input and creates the run once", extras=frozenset({Extra.WAKE})),
    _task("park_run", "keeps the task token of a gate until the clock says go",
          # An approval that came before the gate is passed on at once.
          extras=frozenset({Extra.WAKE, Extra.COMPLETE_TASK})),
    # A fee for AC or DC sessions alone asks their CDRs which they are. A correction reads what it corrects.
    _task("open_window", "decides the members and tells the eMSP", tables={"intake": READ},
          buckets={"documents": Objects.READ, "exports": Objects.BOTH},
          extras=frozenset({Extra.MAIL, Extra.WAKE, Extra.URLS}), memory_mb=1024, disk_mb=1024),
    _task("lock_sessions", "locks the run and its members", tables={"intake": READ},
          buckets={"archive": Objects.BOTH_LOCK}, memory_mb=1024, timeout_s=600),
    # What a long run has come to so far lies in the exports between two calls (decision 0046).
    _task("issue_invoice", "takes the number, writes the header and posts, in one transaction",
          tables={"ledger": APPEND},
          buckets={"documents": Objects.BOTH_LOCK, "archive": Objects.READ, "exports": Objects.BOTH}, documents=True,
          memory_mb=1024, disk_mb=1024),
    _task("render_invoice_pdf", "draws the PDF and the XML of an invoice", buckets={"documents": Objects.BOTH_LOCK},
          documents=True, memory_mb=2048),
    # One part of 300,000 sessions: the sheet raw and packed, the CSV and the NDJSON (docs/scale.md).
    _task("render_session_xlsx", "writes the session list of an invoice", tables={"intake": READ},
          buckets={"documents": Objects.BOTH_LOCK, "exports": Objects.BOTH}, extras=frozenset({Extra.URLS}),
          documents=True, memory_mb=2048, timeout_s=900, disk_mb=4096),
    _task("send_invoice", "mails the documents or signed links, leaves e-invoices for the access point",
          buckets={"documents": Objects.READ, "exports": Objects.BOTH},
          extras=frozenset({Extra.MAIL, Extra.WAKE, Extra.URLS}), documents=True, memory_mb=1024),
    _task("finish_run", "closes the run"),
    _task("fail_run", "marks the run as failed at a step, resumable", timeout_s=60),
)  # fmt: skip

BY_NAME: dict[str, FunctionSpec] = {spec.name: spec for spec in FUNCTIONS}
#: Tasks of the month close, in the order of the state machine.
CLOSE_TASKS: tuple[str, ...] = (
    "prepare_run", "park_run", "open_window", "lock_sessions", "issue_invoice", "render_invoice_pdf",
    "render_session_xlsx", "send_invoice", "finish_run", "fail_run",
)  # fmt: skip
#: Functions that run on their own: schedule expressions in UTC.
SCHEDULES: Mapping[str, str] = {
    "sweep": "rate(5 minutes)",
    "start_close": "cron(7 * * * ? *)",
    "import_bank_file": "cron(37 * * * ? *)",
    "import_cdr_file": "cron(27 * * * ? *)",
    "compare_sessions": "cron(57 * * * ? *)",
    "draw_accruals": "cron(7 * * * ? *)",
    "export_window": "rate(5 minutes)",
    "rehearse": "rate(5 minutes)",
    "take_dispute_file": "cron(42 * * * ? *)",
    "export_payments": "cron(17 * * * ? *)",
    "render_payout_statement": "cron(47 * * * ? *)",
    "render_certificate": "cron(52 * * * ? *)",
    "expire_detail": "cron(41 3 * * ? *)",
    "answer_data_requests": "rate(15 minutes)",
    "deliver_documents": "rate(5 minutes)",
    "deliver_webhooks": "rate(1 minute)",
    "nightly_proof": "cron(23 2 * * ? *)",
    "pull_cdrs": "cron(11 1 * * ? *)",
    "refresh_calendars": "cron(2 0 * * ? *)",
    "refresh_rates": "cron(22 * * * ? *)",
    "refresh_vat_proofs": "cron(32 * * * ? *)",
}
#: Those that run once a day or less: their hour is named.
DAILY: frozenset[str] = frozenset(n for n, e in SCHEDULES.items() if e.startswith("cron(") and e.split()[1] != "*")
#: Schedules that begin at any of so many minutes, so that partners are not all asked at once (OCPI transport), and the
#: closes of several stages and regions do not begin together.
JITTER_MINUTES: Mapping[str, int] = {"pull_cdrs": 45, "start_close": 20}
#: Which tables have which indexes; ALL or KEYS_ONLY.
INDEXES: Mapping[str, Mapping[str, str]] = {
    "identity": {},
    "intake": {"gsi1": "KEYS_ONLY"},
    "clearing": {"gsi1": "KEYS_ONLY", "gsi2": "KEYS_ONLY", "gsi3": "KEYS_ONLY"},
    "ledger": {"gsi1": "ALL"},
    "audit": {},
}
STREAMS: frozenset[str] = frozenset({"intake", "clearing", "ledger", "audit"})
EXPIRING: frozenset[str] = frozenset({"intake", "clearing"})
BUCKETS: tuple[str, ...] = ("documents", "inbox", "exports", "changes", "archive")
