"""The canonical EN 16931 invoice: one model that the PDF, the CII and the UBL are all written from.

Amounts are ``Money`` (integer minor units), quantities, unit prices and VAT rates are ``Decimal``. Dates are calendar
days of the contract's zone; instants are aware UTC. BT and BG numbers are those of EN 16931-1.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class DocumentType(StrEnum):
    """UNTDID 1001 codes of the documents this house issues (BT-3)."""

    INVOICE = "380"
    CREDIT_NOTE = "381"
    CORRECTED_INVOICE = "384"
    SELF_BILLED_INVOICE = "389"
    SELF_BILLED_CREDIT_NOTE = "261"

    @property
    def is_credit(self) -> bool:
        """A credit note states positive amounts that lower what the buyer owes."""
        return self in (DocumentType.CREDIT_NOTE, DocumentType.SELF_BILLED_CREDIT_NOTE)

    @property
    def is_self_billed(self) -> bool:
        """Drawn up by the buyer for the seller (Art. 224 VAT Directive)."""
        return self in (DocumentType.SELF_BILLED_INVOICE, DocumentType.SELF_BILLED_CREDIT_NOTE)


class Purpose(StrEnum):
    """What a rendering is for. Previews (a draft that waits for approval, the pro-forma of an open window) carry no
    number, no XML and no way to pay.
    """

    ORIGINAL = "ORIGINAL"
    COPY = "COPY"
    DRAFT = "DRAFT"
    PROFORMA = "PROFORMA"

    @property
    def is_preview(self) -> bool:
        """Nothing may take it for an invoice."""
        return self in (Purpose.DRAFT, Purpose.PROFORMA)


class Language(StrEnum):
    """Languages of documents and mails (product.md row 71)."""

    EN = "EN"
    DE = "DE"
    FR = "FR"
    NL = "NL"


class VatCategory(StrEnum):
    """UNTDID 5305 subset of EN 16931 used here (BT-118, BT-151)."""

    STANDARD = "S"
    REVERSE_CHARGE = "AE"
    OUT_OF_SCOPE = "O"
    ZERO = "Z"
    EXEMPT = "E"


class Unit(StrEnum):
    """UN/ECE Recommendation 20 units of charging lines (BT-130)."""

    KWH = "KWH"
    HOUR = "HUR"
    MINUTE = "MIN"
    PIECE = "C62"


class Component(StrEnum):
    """What a line charges for; the printed name comes from the language of the document."""

    ENERGY = "ENERGY"
    SESSION = "SESSION"
    TIME = "TIME"
    PARKING = "PARKING"
    RESERVATION = "RESERVATION"
    CAP = "CAP"
    MINIMUM = "MINIMUM"
    ADJUSTMENT = "ADJUSTMENT"
    DISPUTED = "DISPUTED"
    SERVICE = "SERVICE"
    OTHER = "OTHER"


class SectionKind(StrEnum):
    """The groups of lines on the page, in printed order."""

    COUNTRY = "COUNTRY"
    EARLIER = "EARLIER"
    ADJUSTMENT = "ADJUSTMENT"
    FEES = "FEES"


class Section(Record):
    """Where a line is printed: under the country of its chargers, earlier periods, adjustments or fees."""

    kind: SectionKind = SectionKind.COUNTRY
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")


class Party(Record):
    """Seller, buyer or fiscal representative (BG-4, BG-7, BG-11)."""

    name: str = Field(max_length=300)
    address_lines: tuple[str, ...] = Field(default=(), max_length=3)
    postcode: str | None = None
    city: str = ""
    country: str = Field(default="", description="ISO 3166-1 alpha-2")
    vat_id: str | None = Field(default=None, description="with its country prefix, no blanks (BT-31, BT-48)")
    legal_id: str | None = Field(default=None, description="register number (BT-30, BT-47)")
    legal_scheme: str | None = Field(default=None, description="ISO 6523 code of legal_id")
    tax_number: str | None = Field(default=None, description="national tax number of a seller (BT-32)")
    electronic_address: str | None = Field(default=None, description="BT-34, BT-49")
    electronic_scheme: str | None = Field(default=None, description="EAS code, e.g. 0208, 9930, EM")
    contact_name: str | None = None
    contact_phone: str | None = None
    contact_email: str | None = None
    website: str | None = None


class Payment(Record):
    """Where and how to pay (BG-16, BG-17, BT-20, BT-83)."""

    iban: str | None = Field(default=None, description="without blanks (BT-84)")
    bic: str | None = Field(default=None, description="BT-86")
    account_name: str | None = Field(default=None, description="BT-85")
    reference: str | None = Field(default=None, description="ISO 11649 RF reference without blanks (BT-83)")
    terms: str | None = Field(default=None, description="BT-20, in the language of the document")
    bank_name: str | None = None


class Preceding(Record):
    """The document that this one amends (BG-3)."""

    number: str
    issue_date: date | None = None


class Line(Record):
    """One invoice line (BG-25) by the key of rules.md 7. A minus stands in ``quantity`` (and so in ``net``)."""

    section: Section = Section()
    component: Component
    name: str | None = Field(default=None, max_length=200, description="BT-153; made from component when absent")
    description: str | None = Field(default=None, max_length=500, description="BT-154")
    quantity: Decimal = Field(description="BT-129, signed")
    unit: Unit = Field(description="BT-130")
    net: Money = Field(description="BT-131, the sum of the rounded CDR amounts, signed like quantity")
    unit_price: Decimal | None = Field(default=None, description="the agreed price per unit, printed and an attribute")
    contract_version: str | None = None
    tariff_name: str | None = None
    sessions: int | None = Field(default=None, ge=0)
    vat_category: VatCategory
    vat_rate: Decimal = Field(default=Decimal(0), description="percent (BT-152)")
    period_start: date | None = None
    period_end: date | None = Field(default=None, description="the last day, inclusive")
    preceding: Preceding | None = Field(default=None, description="the document an adjustment belongs to")
    cdr_id: str | None = Field(default=None, description="the session an adjustment belongs to")

    @property
    def base_quantity(self) -> Decimal:
        """BT-149 = |BT-129|, so that quantity x price / base = net exactly (rules.md 7)."""
        return abs(self.quantity) or Decimal(1)

    @property
    def price(self) -> Money:
        """BT-146 = |BT-131|: the price of the whole base quantity."""
        return abs(self.net)


class VatReason(Record):
    """Why a category carries no VAT (BT-120, BT-121)."""

    text: str
    code: str | None = Field(default=None, description="VATEX code, e.g. VATEX-EU-AE")


class VatTotal(Record):
    """One row of the VAT breakdown (BG-23)."""

    category: VatCategory
    rate: Decimal = Decimal(0)
    taxable: Money
    tax: Money
    reason: VatReason | None = None


class Totals(Record):
    """Document totals (BG-22); all recomputed by ``checks``."""

    net: Money = Field(description="BT-106 = BT-109")
    tax: Money = Field(description="BT-110")
    gross: Money = Field(description="BT-112")
    prepaid: Money = Field(description="BT-113")
    due: Money = Field(description="BT-115")


class NationalTax(Record):
    """VAT in the currency of the seller's state where the invoice uses another one (Art. 230, BT-6, BT-111)."""

    tax: Money = Field(description="the document's VAT times ``rate``, rounded half-up once")
    rate: Decimal = Field(gt=0, description="units of the national currency per unit of the document's")
    rate_date: date
    source: str = "ECB"


class WindowStatement(Record):
    """What the control window and the lock were, as printed on the document."""

    opened_at_utc: datetime
    closed_at_utc: datetime
    zone: str = Field(description="IANA zone in which the instants are printed")
    locked_at_utc: datetime | None = None
    manifest_sha256: str | None = Field(default=None, description="Merkle root of the locked list")
    sessions: int | None = None
    disputed: int | None = None
    not_included: int | None = Field(default=None, description="sessions of the period that are not on this document")


class Typeface(StrEnum):
    """Typefaces that the font build makes."""

    SANS = "SANS"
    SERIF = "SERIF"


class Branding(Record):
    """How the issuer looks. Nothing of the software's own name appears anywhere."""

    primary: str = Field(default="#1F3A5F", pattern=r"^#[0-9A-Fa-f]{6}$")
    accent: str = Field(default="#2E9E6B", pattern=r"^#[0-9A-Fa-f]{6}$")
    logo_key: str | None = Field(default=None, description="where the logo lies; its bytes are put in for drawing")
    logo: bytes | None = Field(default=None, max_length=1_000_000, description="PNG, JPEG or SVG")
    footer_lines: tuple[str, ...] = Field(default=(), max_length=4)
    typeface: Typeface = Typeface.SANS

    def with_logo(self, logo: bytes | None) -> Branding:
        """The same look with the bytes of its logo; one that is too large is left out."""
        fits = logo is not None and len(logo) <= 1_000_000
        return self.model_copy(update={"logo": logo if fits else None})


class InvoiceDocument(Record):
    """A document of type 380, 381, 384, 389 or 261, complete: writers look nothing up.

    ``seller`` supplies and ``buyer`` receives also on self-billed documents, where the buyer draws the document up
    and ``branding`` is therefore the buyer's. Credit notes state positive amounts.
    """

    type_code: DocumentType
    number: str | None = Field(default=None, max_length=40, description="BT-1; None on drafts and previews")
    issue_date: date
    due_date: date | None = None
    period_start: date
    period_end: date = Field(description="the last day, inclusive (BT-74)")
    currency: str
    language: Language = Language.EN
    purpose: Purpose = Purpose.ORIGINAL
    seller: Party
    buyer: Party
    tax_representative: Party | None = None
    payment: Payment = Payment()
    preceding: tuple[Preceding, ...] = ()
    lines: tuple[Line, ...] = Field(default=(), max_length=20_000)
    vat: tuple[VatTotal, ...] = ()
    totals: Totals
    national_tax: NationalTax | None = None
    notes: tuple[str, ...] = Field(default=(), max_length=20)
    buyer_reference: str | None = Field(default=None, description="BT-10")
    order_reference: str | None = Field(default=None, description="BT-13")
    contract_reference: str | None = Field(default=None, description="BT-12")
    window: WindowStatement | None = None
    branding: Branding = Branding()
    correction_reason: str | None = Field(default=None, description="why a 381, 384 or 261 was issued")
