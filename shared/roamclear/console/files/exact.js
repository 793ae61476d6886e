// Numbers that keep their digits: JSON is read without binary fractions, amounts are whole minor units.

const MARK = "\u0000number";
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const DIGITS = { BHD: 3, CLP: 0, ISK: 0, JPY: 0, KRW: 0, KWD: 3, TND: 3, VND: 0 };

/** A number of a JSON text, digit for digit. */
export class Exact {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/** A JSON text as values; every number becomes an Exact. */
export function read(text) {
  const marked = text.replace(TOKEN, (token) => (token[0] === '"' ? token : `{"\\u0000number":"${token}"}`));
  return JSON.parse(marked, (_, value) => (isMarked(value) ? new Exact(value[MARK]) : value));
}

function isMarked(value) {
  return value !== null && typeof value === "object" && Object.keys(value).length === 1 && typeof value[MARK] === "string";
}

/** Values as an indented JSON text for reading, numbers as they came. */
export function pretty(value, indent = "") {
  if (value instanceof Exact) return value.text;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((each) => inner + pretty(each, inner))
    : Object.entries(value).map(([name, each]) => `${inner}${JSON.stringify(name)}: ${pretty(each, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return parts.length ? `${open}\n${parts.join(",\n")}\n${indent}${close}` : open + close;
}

/** A small whole number of the API (a count, a place) for arithmetic of the page. */
export function count(value) {
  return value === undefined || value === null ? 0 : Number(String(value));
}

export function digits(currency) {
  return DIGITS[currency] ?? 2;
}

/** The minor units of an amount {amount_minor, currency}. */
export function minor(money) {
  return BigInt(String(money.amount_minor));
}

/** Minor units as a person writes them: 1,234.56 EUR. */
export function shown(units, currency) {
  const places = digits(currency);
  const text = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const whole = places ? text.slice(0, -places) : text;
  const part = places ? `.${text.slice(-places)}` : "";
  return `${units < 0n ? "−" : ""}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${part} ${currency}`;
}

/** An amount of the API as a person writes it, or a dash where there is none. */
export function money(value) {
  return value ? shown(minor(value), value.currency) : "–";
}

/** What a person typed (12.30 or 12,30) as minor units, or null where it is no amount of the currency. */
export function typed(text, currency) {
  const found = /^(\d{1,12})(?:[.,](\d+))?$/.exec(text.trim());
  const places = digits(currency);
  if (!found || (found[2] ?? "").length > places) return null;
  return BigInt(found[1] + (found[2] ?? "").padEnd(places, "0"));
}

/** Sums by currency, as text: "12.00 EUR + 3.00 CHF". */
export function total(amounts) {
  const sums = new Map();
  for (const each of amounts) if (each) sums.set(each.currency, (sums.get(each.currency) ?? 0n) + minor(each));
  return [...sums].map(([currency, units]) => shown(units, currency)).join(" + ") || "0";
}

/** An amount for a request: the API takes whole minor units. */
export function sent(units, currency) {
  return { amount_minor: Number(units), currency };
}

/** Exactly a - b of two decimal texts, without trailing zeros. */
export function difference(a, b) {
  const [left, right] = [String(a), String(b)].map((text) => /^(-?)(\d+)(?:\.(\d+))?$/.exec(text));
  if (!left || !right) return null;
  const places = Math.max((left[3] ?? "").length, (right[3] ?? "").length);
  const scaled = ([, sign, whole, part]) => BigInt(`${sign}${whole}${(part ?? "").padEnd(places, "0")}`);
  return decimal(scaled(left) - scaled(right), places);
}

function decimal(units, places) {
  const text = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const part = places ? text.slice(-places).replace(/0+$/, "") : "";
  return `${units < 0n ? "−" : ""}${places ? text.slice(0, -places) : text}${part ? `.${part}` : ""}`;
}

/** An amount as a decimal text, for exact differences with what a CDR states. */
export function asDecimal(value) {
  const units = minor(value);
  return decimal(units, digits(value.currency)).replace("−", "-");
}
