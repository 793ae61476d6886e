// What a session was priced at, segment by segment, and the CDR as it came: shown wherever a price is in question.

import { badge, facts, h, table } from "./dom.js";
import { asDecimal, difference, money, pretty } from "./exact.js";
import { brief, duration, local } from "./times.js";
import { evse } from "./words.js";

/** The CDR as it was received: what people ask for first, then every byte of it as JSON. */
export function received(cdr, session) {
  const raw = Array.isArray(cdr.raw) ? cdr.raw[0] : cdr.raw;
  const place = raw.cdr_location ?? raw.location ?? {};
  const zone = session?.zone;
  const [start, stop] = [session?.start_utc, session?.stop_utc];
  const total = typeof raw.total_cost === "object" && raw.total_cost?.excl_vat !== undefined ? raw.total_cost.excl_vat : raw.total_cost;
  return h("section", { class: "panel" }, h("h3", null, "CDR as received"),
    facts([
      ["CDR", raw.id],
      ["Session", raw.session_id],
      ["Start", start ? local(start, zone) : raw.start_date_time],
      ["Stop", stop ? local(stop, zone) : raw.end_date_time ?? raw.stop_date_time],
      ["Duration", start && stop ? duration(start, stop) : null],
      ["Energy", raw.total_energy === undefined ? null : `${raw.total_energy} kWh`],
      ["Total of the CDR", total === undefined ? null : `${total} ${raw.currency ?? ""} net`],
      ["Place", [place.name, place.address, [place.postal_code, place.city].filter(Boolean).join(" "), place.country].filter(Boolean).join(", ")],
      ["Coordinates", place.coordinates ? `${place.coordinates.latitude}, ${place.coordinates.longitude}` : null],
      ["EVSE", evse(session?.evse_id ?? place.evse_id)],
      ["Card", raw.cdr_token?.uid ?? raw.auth_id],
      ["Contract of the driver", raw.cdr_token?.contract_id],
      ["Signed meter values", raw.signed_data ? "present" : null],
      ["Received", local(cdr.received_at_utc, "UTC")],
      ["SHA-256", cdr.sha256 ? h("code", { class: "hash" }, cdr.sha256) : null],
    ]),
    h("details", null, h("summary", null, "The whole CDR"), h("pre", { tabindex: "0" }, pretty(cdr.raw))));
}

/** The last price with its hand calculation; earlier ones fold away below it. */
export function priced(ratings, session) {
  const last = ratings.at(-1);
  if (!last) return h("section", { class: "panel" }, h("h3", null, "What was priced"), h("p", null, "This session has no price yet."));
  const earlier = ratings.slice(0, -1).reverse();
  return h("section", { class: "panel" }, h("h3", null, "What was priced"), one(last, session),
    earlier.map((each) => h("details", null, h("summary", null, `Price ${each.version}: ${money(each.net)}, ${local(each.at_utc, "UTC")}`), one(each, session))));
}

function one(rating, session) {
  const { trace } = rating;
  const compared = trace?.comparison ?? {};
  return [
    facts([
      ["Net", h("strong", null, money(rating.net))],
      ["Contract", `${rating.contract_id}, version ${rating.contract_version}`],
      ["Tariff line", rating.grid_line],
      ["Billed is", compared.source === "CDR_TOTAL" ? "what the CPO priced" : compared.source === "CONTRACT_GRID" ? "what the contract says" : null],
      ["By the contract", compared.grid_excl_vat],
      ["By the CDR", compared.cdr_excl_vat],
      ["Difference", compared.difference],
      ["Priced", `${local(rating.at_utc, "UTC")}, ${rating.reason}`],
    ]),
    (rating.flags ?? []).map((flag) => badge(flag, "warn")),
    lines(rating),
    steps(trace, session),
  ];
}

function lines(rating) {
  const columns = [
    { name: "Component", cell: (line) => [line.component, line.bracket ? h("small", null, ` ${line.bracket}`) : null] },
    { name: "Quantity", number: true, cell: (line) => String(line.quantity) },
    { name: "Unit price", number: true, cell: (line) => String(line.unit_price) },
    { name: "Net", number: true, cell: (line) => money(line.amount) },
  ];
  return table(columns, rating.lines, { caption: "Each component, rounded once" });
}

function steps(trace, session) {
  if (!trace?.steps?.length) return h("p", { class: "note" }, "The contract's grid was not asked for this price.");
  const columns = [
    { name: "At", cell: (step) => (step.at_local ? brief(step.at_local, trace.zone ?? session?.zone) : "") },
    { name: "Step", cell: (step) => [step.kind, step.rule ? h("small", null, ` ${step.rule}`) : null] },
    { name: "Component", cell: (step) => step.component ?? "" },
    { name: "Calculation", cell: (step) => step.text ?? "" },
  ];
  return h("details", { open: true }, h("summary", null, `Calculation in ${trace.steps.length} steps, in the zone ${trace.zone ?? "UTC"}`),
    table(columns, trace.steps, { caption: "Recalculate it by hand: every segment, in order" }));
}

/** How far the price lies from what the CDR states; null where they agree or nothing is stated. */
export function delta(session) {
  if (!session.net || session.cdr_total === undefined) return null;
  const found = difference(asDecimal(session.net), session.cdr_total);
  return found === null || found === "0" ? null : found;
}
