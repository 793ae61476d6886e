// What codes mean to people. A code that is not here is shown as it is.

export const REASONS = {
  DUPLICATE_CDR: "CDR sent twice",
  DUPLICATE_SESSION: "Session billed twice",
  UNKNOWN_TOKEN: "Token unknown to us",
  TOKEN_NOT_VALID_AT_START: "Token not valid at start",
  NOT_OUR_CUSTOMER: "Not our customer",
  NO_SUCH_SESSION: "No such session",
  ENERGY_TOO_HIGH: "Energy too high",
  ZERO_ENERGY_BILLED: "Billed without energy",
  DURATION_WRONG: "Duration wrong",
  OVERLAPPING_SESSIONS: "Sessions overlap",
  PRICE_NOT_AS_AGREED: "Price not as agreed",
  WRONG_TIME_BRACKET: "Wrong time bracket",
  STEP_SIZE_OR_ROUNDING: "Step size or rounding",
  PARKING_FEE: "Parking fee",
  COMPONENT_SUM_MISMATCH: "Components do not add up",
  CURRENCY_OR_VAT: "Currency or VAT",
  WRONG_EVSE_OR_LOCATION: "Wrong EVSE or location",
  LATE_CDR: "CDR came late",
  MISSING_SIGNED_DATA: "Signed meter values missing",
  TEST_OR_SERVICE_SESSION: "Test or service session",
  CHARGER_FAULT: "Charger fault",
  FRAUD: "Fraud",
  DRIVER_COMPLAINT: "Driver complains",
  OTHER: "Other",
};

export const STATES = {
  OPEN: "Open",
  UNDER_REVIEW: "Under review",
  INFO_REQUESTED: "Information asked for",
  ESCALATED: "Escalated",
  ACCEPTED: "Accepted",
  PARTIAL: "Accepted in part",
  REJECTED: "Rejected",
  WITHDRAWN: "Withdrawn",
  EXPIRED: "Expired",
};

export const PENDING = new Set(["OPEN", "UNDER_REVIEW", "INFO_REQUESTED", "ESCALATED"]);

export const RUN_STATES = {
  GRACE: "Waiting for late CDRs",
  WINDOW: "Window open",
  LOCKING: "Being locked",
  LOCKED: "Locked",
  CARRIED: "Carried to a later invoice",
  FINALISING: "Documents in the making",
  AWAITING_APPROVAL: "Waiting for approval",
  ISSUED: "Invoiced",
  SENT: "Sent",
  SETTLED: "Settled",
  FAILED: "Being looked at",
};

export const TYPES = { 380: "Invoice", 381: "Credit note", 384: "Corrected invoice", 389: "Self-billed invoice", 261: "Self-billed credit note" };

export const MATCHES = {
  EXACT: "The same in both lists",
  PARTIAL: "Same amount, something else differs",
  AMOUNT_DIFFERS: "Amounts differ",
  MISSING_HERE: "Only in your list",
  MISSING_THERE: "Only in our list",
};

export const TICKS = {
  no_rule_open: "No rule open",
  one_contract: "One contract",
  rated_with_vat: "Priced, with VAT",
  evse_known_and_assigned: "EVSE known and assigned",
  has_end: "Has an end",
};

/** "1 dispute", "2 disputes". */
export function many(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** An EVSE id as it stands on the charger: DE*VWK*E001. */
export function evse(text) {
  const found = /^([A-Z]{2})([A-Z0-9]{3})(E[A-Z0-9*]+)$/.exec(text ?? "");
  return found ? found.slice(1).join("*") : text;
}

export const SIDES = { EMSP: "eMSP", CPO: "CPO", DUE: "Deadline" };

export function word(words, code) {
  return words[code] ?? code ?? "–";
}

/** Which look the state of a dispute has. */
export function tone(state) {
  if (state === "INFO_REQUESTED" || state === "ESCALATED") return "warn";
  if (state === "ACCEPTED" || state === "PARTIAL") return "good";
  return state === "REJECTED" || state === "EXPIRED" ? "bad" : "";
}
