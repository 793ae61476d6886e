"""Every key of every table. A partition key begins with the issuer; ``@`` is the platform itself.

Index columns: ``gsi1pk/gsi1sk``, ``gsi2pk/gsi2sk``, ``gsi3pk/gsi3sk``; all are sparse, and hold keys only.
"""

# Longer than 400 lines: all key builders stand in one file, so that no two rooms can take the same key.

from __future__ import annotations

from datetime import date, datetime

from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Key

PLATFORM = "@"


# ---- identity ------------------------------------------------------------------------------------------------------
def credential(token_hash: str) -> Key:
    """An OCPI credential by the SHA-256 of its token."""
    return Key(f"{PLATFORM}#CREDENTIAL#{token_hash}", "CREDENTIAL")


def rate_bucket(credential_id: str) -> Key:
    """How many requests a credential may still send."""
    return Key(f"{PLATFORM}#RATE#{credential_id}", "BUCKET")


def credentials(issuer_id: str) -> str:
    """Partition of an issuer's credentials by their id."""
    return f"{issuer_id}#CREDENTIALS"


def credential_head(issuer_id: str, credential_id: str) -> Key:
    """The way from a credential's id to its token's hash."""
    return Key(credentials(issuer_id), credential_id)


def actor(actor_id: str) -> Key:
    """A signed-in person or schedule: one row with its grants per issuer."""
    return Key(f"{PLATFORM}#ACTOR#{actor_id}", "ACTOR")


# ---- intake --------------------------------------------------------------------------------------------------------
def cdr_original(issuer: str, cdr_ref: str) -> Key:
    """The body of a CDR as it came; written once."""
    return Key(f"{issuer}#CDR#{cdr_ref}", "ORIGINAL")


def cdr_conflict(issuer: str, cdr_ref: str, sha256: str) -> Key:
    """A differing body under the same id; kept byte for byte."""
    return Key(f"{issuer}#CDR#{cdr_ref}", f"CONFLICT#{sha256}")


def cdr_part(issuer: str, cdr_ref: str, sha256: str, number: int) -> Key:
    """A further part of a body that does not fit into one row; named by the body's hash, so it never changes."""
    return Key(f"{issuer}#CDR#{cdr_ref}", f"PART#{sha256}#{number:03d}")


def received(issuer: str, at: datetime) -> str:
    """Index partition of what was received on a day (gsi1 of intake)."""
    return f"{issuer}#RECEIVED#{sort_instant(at)[:10]}"


def sweep_mark(issuer: str) -> Key:
    """The instant from which the sweep looks for bodies without a session (clearing table)."""
    return Key(f"{issuer}#SWEEP", "BODIES")


def ingest_log(issuer: str, partner: str, at: datetime, sha256: str) -> Key:
    """A refused message of a known partner."""
    stamp = sort_instant(at)
    return Key(f"{issuer}#INGEST#{partner}#{stamp[:10]}", f"{stamp}#{sha256[:16]}")


def ingest_part(head: Key, number: int) -> Key:
    """A further part of a refused message that does not fit into one row."""
    return Key(head.pk.replace("#INGEST#", "#INGESTPART#"), f"{head.sk}#{number:03d}")


def location(issuer: str, party: str, location_id: str) -> Key:
    """An OCPI Location as a partner owns it."""
    return Key(f"{issuer}#LOCATION#{party}#{location_id.upper()}", "LOCATION")


def tariff(issuer: str, party: str, tariff_id: str) -> Key:
    """An OCPI Tariff as a partner owns it."""
    return Key(f"{issuer}#TARIFF#{party}#{tariff_id.upper()}", "TARIFF")


def tariffs(issuer: str) -> str:
    """Index partition of the tariffs of an issuer (gsi1 of intake; sort key = last change#party*id)."""
    return f"{issuer}#TARIFFS"


def sandbox_cdr(issuer: str, cdr_ref: str) -> Key:
    """A CDR of a sandbox credential: checked and answered, never billed."""
    return Key(f"{issuer}#SANDBOX#{cdr_ref}", "SANDBOX")


def bench(issuer: str, credential_id: str) -> str:
    """Partition of what a sandbox credential sent: its messages and how often it tried which case."""
    return f"{issuer}#BENCH#{credential_id}"


def bench_message(issuer: str, credential_id: str, at: datetime, sha256: str) -> Key:
    """A message of a sandbox credential with its rule results."""
    return Key(bench(issuer, credential_id), f"MESSAGE#{sort_instant(at)}#{sha256[:16]}")


def bench_cases(issuer: str, credential_id: str) -> Key:
    """How often a sandbox credential tried which case."""
    return Key(bench(issuer, credential_id), "CASES")


def certificates(issuer: str) -> str:
    """Partition of the conformance certificates of an issuer's partners."""
    return f"{issuer}#CERTIFICATES"


def certificate(issuer: str, credential_id: str, version: str, rule_set: str) -> Key:
    """One of them; written once."""
    return Key(certificates(issuer), f"{credential_id}#{version}#{rule_set}")


def invoice_record(issuer: str, record_id: str) -> Key:
    """An Invoice Reconciliation record (OCPI 2.3.0); written once."""
    return Key(f"{issuer}#INVOICERECORD#{record_id}", "RECORD")


def invoice_record_part(issuer: str, record_id: str, number: int) -> Key:
    """A further part of a record that does not fit into one row."""
    return Key(f"{issuer}#INVOICERECORD#{record_id}", f"PART#{number:03d}")


def invoice_records(issuer: str, party: str) -> str:
    """Partition of the records an eMSP may read."""
    return f"{issuer}#INVOICERECORDS#{party}"


def invoice_record_listed(issuer: str, party: str, at: datetime, record_id: str) -> Key:
    """A record in the list of an eMSP, by the instant it was made."""
    return Key(invoice_records(issuer, party), f"R#{sort_instant(at)}#{record_id}")


def purchase_records(issuer: str, party: str) -> str:
    """Partition of the records of self-billed documents that their CPO may read."""
    return f"{issuer}#PURCHASERECORDS#{party}"


def purchase_record_listed(issuer: str, party: str, at: datetime, record_id: str) -> Key:
    """A record in the list of a CPO that we buy from, by the instant it was made."""
    return Key(purchase_records(issuer, party), f"R#{sort_instant(at)}#{record_id}")


def received_records(issuer: str, party: str) -> str:
    """Partition of the Invoice Reconciliation records that a self-billing eMSP sent to us."""
    return f"{issuer}#RECEIVEDRECORDS#{party}"


def received_record(issuer: str, party: str, record_id: str) -> Key:
    """One of them as its owner last described it."""
    return Key(received_records(issuer, party), record_id.upper())


# ---- pulling from partners (clearing table) ------------------------------------------------------------------------
def pull_mark(issuer: str, partner: str, party: str) -> Key:
    """Up to where a partner's Sender was read."""
    return Key(f"{issuer}#PULLMARKS", f"{partner}#{party}")


def pulls(issuer: str) -> str:
    """Partition of the nightly pulls of an issuer."""
    return f"{issuer}#PULLS"


def pull(issuer: str, night: str, partner: str, party: str) -> Key:
    """What a night's pull from a partner brought."""
    return Key(pulls(issuer), f"{night}#{partner}#{party}")


# ---- clearing: masters ---------------------------------------------------------------------------------------------
ISSUERS = f"{PLATFORM}#ISSUERS"


def issuer_listed(issuer: str) -> Key:
    """An issuer in the list the schedules walk."""
    return Key(ISSUERS, issuer)


def issuer(issuer_id: str) -> Key:
    """The legal entity that invoices."""
    return Key(f"{issuer_id}#ISSUER", "HEAD")


def retention(issuer_id: str) -> str:
    """Partition of the terms of keeping that an issuer chose."""
    return f"{issuer_id}#RETENTION"


def pseudonym_secrets(issuer_id: str) -> str:
    """Partition of the secrets that an issuer's pseudonyms are made with (identity table: it has no stream)."""
    return f"{issuer_id}#PSEUDONYMS"


def pseudonym_secret(issuer_id: str, epoch: int) -> Key:
    """One of them by its number; without its bytes it was destroyed."""
    return Key(pseudonym_secrets(issuer_id), f"{epoch:03d}")


def detail_mark(issuer_id: str) -> Key:
    """Up to where the retention of detail looked at what came."""
    return Key(f"{issuer_id}#DETAILMARK", "MARK")


def detail_waiting(issuer_id: str, day: date, kind: str, subject: str) -> Key:
    """Something whose detail is looked at again on a day."""
    return Key(f"{issuer_id}#DETAILWAITING", f"{day.isoformat()}#{kind}#{subject}")


def detail_reports(issuer_id: str) -> str:
    """Partition of what the retention of detail did (sort key = began at)."""
    return f"{issuer_id}#DETAILREPORTS"


def data_requests(issuer_id: str) -> str:
    """Index partition of the requests of data subjects (gsi1; sort key = asked at#id)."""
    return f"{issuer_id}#DATAREQUESTS"


def open_data_requests(issuer_id: str) -> str:
    """Index partition of those that are not answered yet (gsi2, sparse)."""
    return f"{issuer_id}#DATAREQUESTS"


def data_request(issuer_id: str, request_id: str) -> Key:
    """One of them."""
    return Key(f"{issuer_id}#DATAREQUEST#{request_id}", "HEAD")


def retention_choice(issuer_id: str, valid_from: date, choice_id: str) -> Key:
    """One of them, by the day it begins on."""
    return Key(retention(issuer_id), f"{valid_from.isoformat()}#{choice_id}")


def contracts(issuer_id: str) -> str:
    """Partition of all contracts of an issuer."""
    return f"{issuer_id}#CONTRACTS"


def contract(issuer_id: str, contract_id: str) -> Key:
    """A contract's head row."""
    return Key(contracts(issuer_id), f"{contract_id}#HEAD")


def contract_version(issuer_id: str, contract_id: str, version: int) -> Key:
    """One version of a contract; never changed."""
    return Key(contracts(issuer_id), f"{contract_id}#V#{version:06d}")


def contract_proposal(issuer_id: str, contract_id: str, proposal_id: str) -> Key:
    """A back-dated version that is not in force yet."""
    return Key(contracts(issuer_id), f"{contract_id}#P#{proposal_id}")


def contract_party(issuer_id: str, party: str, contract_id: str) -> Key:
    """An eMSP party covered by a contract (the way from a CDR to its contract)."""
    return Key(f"{issuer_id}#PARTY#{party}", f"CONTRACT#{contract_id}")


def vat_proofs(issuer_id: str, vat_id: str) -> str:
    """Partition of the proofs of a VAT id."""
    return f"{issuer_id}#VATPROOFS#{vat_id}"


def vat_proof(issuer_id: str, vat_id: str, checked_on: date, request_id: str) -> Key:
    """A dated proof of a VAT id (VIES), in order of its days; written once."""
    return Key(vat_proofs(issuer_id, vat_id), f"{checked_on.isoformat()}#{request_id}")


def vat_check(issuer_id: str, vat_id: str) -> Key:
    """When VIES was asked for a VAT id last and will be next."""
    return Key(f"{issuer_id}#VATCHECK", vat_id)


def evse(issuer_id: str, evse_id: str) -> Key:
    """An EVSE of the register by its folded id."""
    return Key(f"{issuer_id}#EVSE#{evse_id}", "HEAD")


def assignment(issuer_id: str, evse_id: str, number: int) -> Key:
    """One entry of an EVSE's assignment history, in the order of recording; never changed."""
    return Key(f"{issuer_id}#EVSE#{evse_id}", f"ASSIGNED#{number:06d}")


def assignment_requests(issuer_id: str, state: str) -> str:
    """Index partition of assignments that need a second person, by state (gsi1; sort key = asked at#id)."""
    return f"{issuer_id}#ASSIGNMENTREQUESTS#{state}"


def assignment_request(issuer_id: str, request_id: str) -> Key:
    """An assignment that needs a second person."""
    return Key(f"{issuer_id}#ASSIGNMENTREQUEST#{request_id}", "HEAD")


def assignment_policy(issuer_id: str) -> Key:
    """From where on an assignment needs a second person."""
    return Key(f"{issuer_id}#ASSIGNMENTPOLICY", "HEAD")


def evses(issuer_id: str) -> str:
    """Index partition of the register (gsi1; sort key = folded id)."""
    return f"{issuer_id}#EVSES"


def evses_of_account(issuer_id: str, account_id: str) -> str:
    """Index partition of the EVSEs assigned to an account (gsi2); ``-`` is unassigned."""
    return f"{issuer_id}#EVSES#{account_id}"


def accounts(issuer_id: str) -> str:
    """Partition of the payout accounts of an issuer."""
    return f"{issuer_id}#ACCOUNTS"


def account(issuer_id: str, account_id: str) -> Key:
    """A payout account's head row."""
    return Key(accounts(issuer_id), f"{account_id}#HEAD")


def account_version(issuer_id: str, account_id: str, version: int) -> Key:
    """One version of a payout account; never changed."""
    return Key(accounts(issuer_id), f"{account_id}#V#{version:06d}")


def account_state(issuer_id: str, account_id: str, changed: int) -> Key:
    """One state of a payout account's head as it was recorded; never changed."""
    return Key(accounts(issuer_id), f"{account_id}#S#{changed:06d}")


def account_proposal(issuer_id: str, account_id: str) -> Key:
    """A change of a payout account that waits for a second person."""
    return Key(accounts(issuer_id), f"{account_id}#PROPOSAL")


# ---- clearing: sessions --------------------------------------------------------------------------------------------
def session(issuer_id: str, cdr_ref: str) -> Key:
    """What the clearing knows of a CDR."""
    return Key(f"{issuer_id}#CDR#{cdr_ref}", "SESSION")


def rating_version(issuer_id: str, cdr_ref: str, version: int) -> Key:
    """One rating of a CDR with its price trace; never changed."""
    return Key(f"{issuer_id}#CDR#{cdr_ref}", f"RATING#{version:04d}")


def adjusted(issuer_id: str, cdr_ref: str) -> Key:
    """What was corrected of a locked session, and by which rows."""
    return Key(f"{issuer_id}#CDR#{cdr_ref}", "ADJUSTED")


def claim(issuer_id: str, kind: str, value: str) -> Key:
    """A thing only one CDR may own (session id, EVSE+start+token, the credit of a CDR)."""
    return Key(f"{issuer_id}#CLAIM#{kind}#{value}", "CLAIM")


def occupied(issuer_id: str, kind: str, subject: str, day: str) -> Key:
    """Who used a connector (or a token) on a UTC day: one attribute per CDR."""
    return Key(f"{issuer_id}#OCCUPIED#{kind}#{subject}", day)


def cdr_jobs(issuer_id: str) -> str:
    """Index partition of the re-rating jobs of an issuer (gsi1; sort key = made at#id)."""
    return f"{issuer_id}#CDRJOBS"


def running_cdr_jobs(issuer_id: str) -> str:
    """Index partition of the jobs that are not done (gsi2, sparse; sort key = made at#id)."""
    return f"{issuer_id}#CDRJOBS"


def cdr_job(issuer_id: str, job_id: str) -> Key:
    """A job that prices many sessions again."""
    return Key(f"{issuer_id}#CDRJOB#{job_id}", "HEAD")


def cdr_job_item(issuer_id: str, job_id: str, cdr_ref: str) -> Key:
    """What a job did with one CDR; written once."""
    return Key(f"{issuer_id}#CDRJOB#{job_id}", f"ITEM#{cdr_ref}")


def visible_to(issuer_id: str, party: str) -> str:
    """Index partition of the CDRs an eMSP may read (gsi1; sort key = available_at#ref)."""
    return f"{issuer_id}#VISIBLE#{party}"


def unbilled(issuer_id: str, contract_id: str) -> str:
    """Index partition of sessions not yet in a run (gsi2; sort key = billing#reason#stop#ref); ``-`` is no contract."""
    return f"{issuer_id}#UNBILLED#{contract_id}"


def by_evse(issuer_id: str, evse_id: str) -> str:
    """Index partition of the sessions of an EVSE (gsi3; sort key = start#ref)."""
    return f"{issuer_id}#BYEVSE#{evse_id}"


def day_count(issuer_id: str, party: str, day: str) -> Key:
    """How many CDRs became visible to an eMSP on a finished day."""
    return Key(f"{issuer_id}#DAYCOUNT#{party}", day)


# ---- clearing: runs, disputes, documents ---------------------------------------------------------------------------
def run(issuer_id: str, run_id: str) -> Key:
    """A run's head row."""
    return Key(f"{issuer_id}#RUN#{run_id}", "HEAD")


def member(issuer_id: str, run_id: str, stop: datetime, cdr_ref: str) -> Key:
    """A session that belongs to a run."""
    return Key(f"{issuer_id}#RUN#{run_id}", f"MEMBER#{sort_instant(stop)}#{cdr_ref}")


def document_of_run(issuer_id: str, run_id: str, place: int) -> Key:
    """Which number a document of a run took."""
    return Key(f"{issuer_id}#RUN#{run_id}", f"DOCUMENT#{place}")


def run_step(issuer_id: str, run_id: str, step: str) -> Key:
    """How far a step of a run is that takes several calls."""
    return Key(f"{issuer_id}#RUN#{run_id}", f"STEP#{step}")


def comparison(issuer_id: str, comparison_id: str) -> Key:
    """A partner's list against a run."""
    return Key(f"{issuer_id}#COMPARISON#{comparison_id}", "HEAD")


def comparisons_of(issuer_id: str, run_id: str) -> str:
    """Index partition of the comparisons of a run (gsi1; sort key = asked at#id)."""
    return f"{issuer_id}#COMPARISONS#{run_id}"


def rehearsal(issuer_id: str, rehearsal_id: str) -> Key:
    """A rehearsal of closes."""
    return Key(f"{issuer_id}#REHEARSAL#{rehearsal_id}", "HEAD")


def rehearsals_of(issuer_id: str, subject: str) -> str:
    """Index partition of the rehearsals of a run, a period or of everything (gsi1; sort key = asked at#id)."""
    return f"{issuer_id}#REHEARSALS#{subject}"


def rehearsing(issuer_id: str) -> str:
    """Index partition of the rehearsals that nobody has done yet (gsi2; sort key = asked at#id)."""
    return f"{issuer_id}#REHEARSING"


def runs(issuer_id: str) -> str:
    """Index partition of all runs (gsi1; sort key = period end#run)."""
    return f"{issuer_id}#RUNS"


def returned_fees(issuer_id: str, contract_id: str, correction_id: str) -> Key:
    """Flat fees of a cancelled document that wait for a run to charge them again."""
    return Key(f"{issuer_id}#RETURNEDFEES#{contract_id}", correction_id)


def carried(issuer_id: str, contract_id: str, run_id: str) -> Key:
    """A run below the smallest invoice of its contract, until a later one bills it."""
    return Key(f"{issuer_id}#CARRIED#{contract_id}", run_id)


def due(issuer_id: str, at: datetime, name: str) -> Key:
    """Something that waits for an instant of the one clock."""
    return Key(f"{issuer_id}#DUE", f"{sort_instant(at)}#{name}")


def reminder(issuer_id: str, at: datetime, name: str) -> Key:
    """An instant at which a reminder is looked at."""
    return Key(f"{issuer_id}#REMINDERS", f"{sort_instant(at)}#{name}")


def dispute(issuer_id: str, dispute_id: str) -> Key:
    """A dispute's head row."""
    return Key(f"{issuer_id}#DISPUTE#{dispute_id}", "HEAD")


def dispute_entry(issuer_id: str, dispute_id: str, number: int) -> Key:
    """One word of a dispute's thread; never changed."""
    return Key(f"{issuer_id}#DISPUTE#{dispute_id}", f"ENTRY#{number:06d}")


def dispute_file(issuer_id: str, dispute_id: str, number: int) -> Key:
    """One file of evidence of a dispute."""
    return Key(f"{issuer_id}#DISPUTE#{dispute_id}", f"FILE#{number:06d}")


def dispute_request(issuer_id: str, digest: str) -> Key:
    """What an actor's Idempotency-Key stood for, by the hash of both."""
    return Key(f"{issuer_id}#DISPUTEREQUEST#{digest}", "HEAD")


def dispute_list(issuer_id: str, list_id: str) -> Key:
    """A file of disputes that was announced, and what became of it."""
    return Key(f"{issuer_id}#DISPUTELIST#{list_id}", "HEAD")


def dispute_limits(issuer_id: str) -> str:
    """Partition of the amounts up to which a dispute agent decides; ``-`` is all contracts."""
    return f"{issuer_id}#DISPUTELIMITS"


def all_disputes(issuer_id: str) -> str:
    """Index partition of every dispute of an issuer (gsi3; sort key = filed at#id)."""
    return f"{issuer_id}#DISPUTES"


def disputes_of(issuer_id: str, contract_id: str) -> str:
    """Index partition of the disputes of a contract (gsi1; sort key = filed at#id)."""
    return f"{issuer_id}#DISPUTES#{contract_id}"


def open_disputes(issuer_id: str) -> str:
    """Index partition of the undecided disputes (gsi2, sparse; sort key = next word due#id)."""
    return f"{issuer_id}#DISPUTES"


def counter(issuer_id: str, series: str) -> Key:
    """Last number and last issue date of a document series."""
    return Key(f"{issuer_id}#COUNTER#{series}", "COUNTER")


def document(issuer_id: str, number: str) -> Key:
    """An issued document."""
    return Key(f"{issuer_id}#DOCUMENT#{number}", "HEAD")


def overdue(issuer_id: str, number: str) -> Key:
    """That a document was told to be overdue; written once."""
    return Key(f"{issuer_id}#DOCUMENT#{number}", "OVERDUE")


def correction(issuer_id: str, correction_id: str) -> Key:
    """A credit of an issued document, from its preparation on."""
    return Key(f"{issuer_id}#CORRECTION#{correction_id}", "HEAD")


def corrections(issuer_id: str) -> str:
    """Index partition of all corrections (gsi1; sort key = prepared#id)."""
    return f"{issuer_id}#CORRECTIONS"


def documents(issuer_id: str) -> str:
    """Index partition of all documents (gsi1; sort key = issue date#number)."""
    return f"{issuer_id}#DOCUMENTS"


def open_items(issuer_id: str, contract_id: str) -> str:
    """Index partition of unpaid documents of a contract (gsi2, sparse; sort key = due date#number)."""
    return f"{issuer_id}#OPEN#{contract_id}"


def open_purchases(issuer_id: str) -> str:
    """Index partition of self-billed documents that no payout took over yet (gsi2, sparse; due date#number)."""
    return f"{issuer_id}#PURCHASES"


def document_reference(issuer_id: str, normalised: str) -> Key:
    """The way from a normalised document number to the document."""
    return Key(f"{issuer_id}#DOCREF#{normalised}", "DOCREF")


def delivery(issuer_id: str, business_key: str) -> Key:
    """A mail that was handed over, once per business key."""
    return Key(f"{issuer_id}#DELIVERY#{business_key}", "DELIVERY")


def delivery_claim(issuer_id: str, business_key: str) -> Key:
    """Who hands a mail over at the moment."""
    return Key(f"{issuer_id}#DELIVERY#{business_key}", "CLAIM")


def mail(message_id: str) -> Key:
    """A mail by the provider's message id: what a bounce names."""
    return Key(f"{PLATFORM}#MAIL#{message_id}", "MAIL")


def mail_failure(message_id: str, event_id: str) -> Key:
    """What the provider reported of a message, kept also where no mail of ours has the id yet."""
    return Key(f"{PLATFORM}#MAIL#{message_id}", f"FAILURE#{event_id}")


def delivery_entry(issuer_id: str, subject: str, entry_id: str) -> Key:
    """A line of the delivery log of a document, run or payout."""
    return Key(f"{issuer_id}#DELIVERYLOG#{subject}", entry_id)


def rate(issuer_id: str, currency: str, day: str, number: int = 0) -> Key:
    """A published exchange rate per euro, once per currency and day; a correction stands behind it by its number."""
    return Key(f"{issuer_id}#RATE#{currency}", f"{day}#{number:03d}" if number else day)


def rates_published(issuer_id: str, day: str) -> Key:
    """What the ECB published for a day as a whole."""
    return Key(f"{issuer_id}#RATESPUBLISHED", day)


def rate_correction(issuer_id: str, correction_id: str) -> Key:
    """Another value for a stored rate, waiting or decided."""
    return Key(f"{issuer_id}#RATECORRECTION", correction_id)


def calendar_year(issuer_id: str, code: str, year: int, number: int) -> Key:
    """One state of the holidays of a place in a year."""
    return Key(f"{issuer_id}#CALENDAR#{code}", f"{year:04d}#{number:04d}")


def logo_proposal(issuer_id: str, proposal_id: str) -> Key:
    """A logo that was uploaded, until a second person decides."""
    return Key(f"{issuer_id}#LOGO#{proposal_id}", "HEAD")


def brand_change(issuer_id: str, change_id: str) -> Key:
    """A change of an issuer's brand or bank details, until a second person decides and afterwards."""
    return Key(f"{issuer_id}#BRANDCHANGES", change_id)


def copy_request(issuer_id: str, number: str, request_id: str) -> Key:
    """A copy of a document that was asked for, once per request."""
    return Key(f"{issuer_id}#COPY#{number}", request_id)


def copy_waiting(issuer_id: str, number: str, request_id: str) -> Key:
    """A copy that nobody has sent yet; gone when it was handed over."""
    return Key(f"{issuer_id}#COPIESWAITING", f"{number}#{request_id}")


def status_file(issuer_id: str, file: str) -> Key:
    """A status file of an access point that was read, by its name."""
    return Key(f"{issuer_id}#STATUSFILE#{file}", "HEAD")


def link(token_hash: str) -> Key:
    """A signed link of a mail by the hash of its token."""
    return Key(f"{PLATFORM}#LINK#{token_hash}", "LINK")


def link_opening(token_hash: str, at: datetime, place: int) -> Key:
    """One opening of a link: when, from where; two of one instant differ by their place."""
    return Key(f"{PLATFORM}#LINK#{token_hash}", f"OPENED#{sort_instant(at)}#{place:06d}")


def links(issuer_id: str) -> str:
    """Index partition of the mailed links of an issuer (gsi1; sort key = expires at#hash of the token)."""
    return f"{issuer_id}#LINKS"


#: The secret that mailed links are made with; the table's key encrypts it at rest.
LINK_SECRET = Key(f"{PLATFORM}#LINKSECRET", "HEAD")


# ---- clearing: journal, outbox, bank, payouts ----------------------------------------------------------------------
def exception(issuer_id: str, kind: str, subject: str) -> Key:
    """A row of the exception journal, once per kind and subject."""
    return Key(f"{issuer_id}#EXCEPTION#{kind}#{subject}", "HEAD")


def exceptions(issuer_id: str, state: str) -> str:
    """Index partition of exceptions by state (gsi1; sort key = raised at#kind#subject)."""
    return f"{issuer_id}#EXCEPTIONS#{state}"


def outbox(issuer_id: str, at: datetime, name: str, subject: str) -> Key:
    """A fact a lower room wrote for the higher ones; gone when it was acknowledged."""
    return Key(outbox_of(issuer_id), f"{sort_instant(at)}#{name}#{subject}")


def outbox_of(issuer_id: str) -> str:
    """Partition of the facts of an issuer that wait for their answer."""
    return f"{issuer_id}#OUTBOX"


def bank_accounts(issuer_id: str) -> str:
    """Partition of the registered bank accounts of an issuer."""
    return f"{issuer_id}#BANKACCOUNTS"


def bank_account_owner(iban: str, currency: str) -> Key:
    """Which issuer owns a bank account (statements carry no issuer)."""
    return Key(f"{PLATFORM}#BANKACCOUNT#{iban}#{currency}", "OWNER")


def bank_file(sha256: str) -> Key:
    """A bank file by its bytes; its issuer is known only after reading."""
    return Key(f"{PLATFORM}#BANKFILE#{sha256}", "FILE")


def statement(issuer_id: str, account: str, statement_key: str) -> Key:
    """A statement of a bank account."""
    return Key(f"{issuer_id}#STATEMENTS#{account}", f"STATEMENT#{statement_key}")


def bank_entry(issuer_id: str, account: str, entry_key: str) -> Key:
    """A booked entry by its dedupe key (banking.md 4.2)."""
    return Key(f"{issuer_id}#BANKENTRY#{account}#{entry_key}", "ENTRY")


def bank_entries(issuer_id: str, account: str) -> str:
    """Index partition of the entries of an account (gsi1; sort key = booking date#key)."""
    return f"{issuer_id}#BANKENTRIES#{account}"


def bank_group(issuer_id: str, account: str, group_id: str) -> Key:
    """What one reference of the bank stands for: a batch and its split are one group, booked once."""
    return Key(f"{issuer_id}#BANKENTRY#{account}#{group_id}", "GROUP")


def bank_payment(issuer_id: str, entry_id: str, index: int) -> Key:
    """One payment inside a booked entry."""
    return Key(f"{issuer_id}#BANKPAYMENT#{entry_id}", f"PAYMENT#{index:06d}")


def bank_original(issuer_id: str, reference: str, entry_id: str) -> Key:
    """The way from a reference of a booked payment to its entry, for returns."""
    return Key(f"{issuer_id}#BANKREF#{reference}", entry_id)


def unapplied(issuer_id: str) -> str:
    """Index partition of entries with unapplied money (gsi2, sparse)."""
    return f"{issuer_id}#UNAPPLIED"


def allocation(issuer_id: str, entry_key: str, number: str) -> Key:
    """How much of an entry paid a document."""
    return Key(f"{issuer_id}#ALLOCATION#{entry_key}", number)


def payer(issuer_id: str, iban: str) -> Key:
    """A learned payer account."""
    return Key(f"{issuer_id}#PAYER#{iban}", "PAYER")


def payout(issuer_id: str, payout_id: str) -> Key:
    """A payout (what an account gets for a run of periods)."""
    return Key(f"{issuer_id}#PAYOUT#{payout_id}", "HEAD")


def accrued(issuer_id: str, account_id: str, group: str, stop: datetime, cdr_ref: str) -> Key:
    """A locked session's share of an account, in the group (run) that brought it; written once."""
    return Key(f"{issuer_id}#ACCRUED#{account_id}#{group}", f"{sort_instant(stop)}#{cdr_ref}")


def accrual(issuer_id: str, account_id: str, group: str) -> Key:
    """The sum of a group of shares; a payout claims whole groups."""
    return Key(f"{issuer_id}#ACCRUALS#{account_id}", group)


def parked(issuer_id: str, stop: datetime, cdr_ref: str) -> Key:
    """A billed session whose EVSE had no account at the lock."""
    return Key(f"{issuer_id}#PARKED", f"{sort_instant(stop)}#{cdr_ref}")


def payout_balance(issuer_id: str, account_id: str, currency: str) -> Key:
    """What an account carries over, and the number of its last payout."""
    return Key(f"{issuer_id}#PAYOUTBALANCES", f"{account_id}#{currency}")


def payouts(issuer_id: str) -> str:
    """Index partition of payouts (gsi1; sort key = issue date#id)."""
    return f"{issuer_id}#PAYOUTS"


def payable(issuer_id: str) -> str:
    """Index partition of payouts that wait for a batch (gsi2, sparse; sort key = issue date#id)."""
    return f"{issuer_id}#PAYABLE"


def unfinished_payouts(issuer_id: str) -> str:
    """Index partition of payouts whose statement is not drawn or mailed yet (gsi3, sparse; sort = issue date#id)."""
    return f"{issuer_id}#PAYOUTPAPERS"


def end_to_end(issuer_id: str, end_to_end_id: str) -> Key:
    """The way from an EndToEndId to our payment."""
    return Key(f"{issuer_id}#ENDTOEND#{end_to_end_id}", "PAYMENT")


def batch(issuer_id: str, batch_id: str) -> Key:
    """A payment batch."""
    return Key(f"{issuer_id}#BATCH#{batch_id}", "HEAD")


def batches(issuer_id: str) -> str:
    """Index partition of batches (gsi1)."""
    return f"{issuer_id}#BATCHES"


# ---- accounting ----------------------------------------------------------------------------------------------------
def accounting(issuer_id: str) -> str:
    """Partition of an issuer's chart of accounts, frozen months and their exports."""
    return f"{issuer_id}#ACCOUNTING"


def chart_of_accounts(issuer_id: str) -> Key:
    """The accounts of the issuer's bookkeeping."""
    return Key(accounting(issuer_id), "CHART")


def accounting_period(issuer_id: str, label: str) -> Key:
    """A month whose ledger entries were counted and frozen by their first export."""
    return Key(accounting(issuer_id), f"PERIOD#{label}")


def accounting_export(issuer_id: str, label: str, profile: str) -> Key:
    """The files of a month in one profile."""
    return Key(accounting(issuer_id), f"EXPORT#{label}#{profile}")


def accounting_balances(issuer_id: str, label: str) -> Key:
    """The balances at the end of a month, kept once."""
    return Key(accounting(issuer_id), f"BALANCES#{label}")


# ---- webhooks ------------------------------------------------------------------------------------------------------
def webhooks(issuer_id: str) -> str:
    """Partition of an issuer's subscriptions."""
    return f"{issuer_id}#WEBHOOKS"


def webhook(issuer_id: str, subscription_id: str) -> Key:
    """One subscription."""
    return Key(webhooks(issuer_id), subscription_id)


def webhook_queue(issuer_id: str, subscription_id: str, at: datetime, event_id: str) -> Key:
    """An event that waits for its receiver, by the instant it happened at."""
    return Key(f"{issuer_id}#WEBHOOK#{subscription_id}#QUEUE", f"{sort_instant(at)}#{event_id}")


def webhook_log_of(issuer_id: str, subscription_id: str) -> str:
    """Partition of what a receiver answered."""
    return f"{issuer_id}#WEBHOOK#{subscription_id}#LOG"


def webhook_log(issuer_id: str, subscription_id: str, at: datetime, event_id: str) -> Key:
    """An event that was answered, or is dead."""
    return Key(webhook_log_of(issuer_id, subscription_id), f"{sort_instant(at)}#{event_id}")


# ---- requests under a key of their caller ---------------------------------------------------------------------------
def asked_before(issuer_id: str, name: str) -> Key:
    """What an Idempotency-Key stands for, by the hash of its owner and itself."""
    return Key(f"{issuer_id}#ASKED#{name}", "HEAD")


# ---- the stage itself ----------------------------------------------------------------------------------------------
def stage_mode() -> Key:
    """Whether the stage is in RECOVERY, and its beat."""
    return Key(f"{PLATFORM}#MODE", "MODE")


# ---- ledger and audit ----------------------------------------------------------------------------------------------
def ledger_entry(issuer_id: str, event: str, subject: str) -> Key:
    """A journal entry by its business key."""
    return Key(f"{issuer_id}#ENTRY#{event}#{subject}", "ENTRY")


def ledger_month(issuer_id: str, at: datetime) -> str:
    """Index partition of the journal entries of a month (gsi1)."""
    return f"{issuer_id}#LEDGER#{sort_instant(at)[:7]}"


def audit_chain(issuer_id: str, kind: str, object_id: str) -> str:
    """Partition of one object's audit chain."""
    return f"{issuer_id}#AUDIT#{kind}#{object_id}"


def audit_entry(issuer_id: str, kind: str, object_id: str, sequence: int) -> Key:
    """One link of an audit chain."""
    return Key(audit_chain(issuer_id, kind, object_id), f"{sequence:08d}")
