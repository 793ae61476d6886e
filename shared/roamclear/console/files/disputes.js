// The CPO's queue: filters in the address, rows in pages, several answered at once, one in a drawer.

import { get, part, post } from "./api.js";
import { acting, ask, badge, button, dialog, empty, fault, field, fill, h, link, say, select, sorted, table, to, traceOf } from "./dom.js";
import { money, minor, sent, total, typed } from "./exact.js";
import { shared, may } from "./state.js";
import { drawer } from "./thread.js";
import { daysSince, inDays, left, local } from "./times.js";
import { many, PENDING, REASONS, STATES, tone, word } from "./words.js";

const PAGE = 100;
//: Empty pages in a row that are looked through before a person is asked: filters are applied page by page.
const PATIENCE = 20;
//: How many disputes one request of the API answers.
const AT_ONCE = 100;
const FILTERS = ["partner", "state", "reason", "age", "claimed", "due", "assignee", "by", "down"];

let kept = null;

/** Rows of the partners' disputes by what the address says; `id` opens one of them. */
export async function disputes(main, { id, query, go, still }) {
  const key = `${shared.at.issuer_id}?${new URLSearchParams(FILTERS.filter((f) => query.get(f)).map((f) => [f, query.get(f)]))}`;
  if (kept?.key !== key || !kept.node.isConnected) {
    const page = { key, query, go, rows: [], after: undefined, chosen: new Set(), node: h("div") };
    page.contracts = kept?.contracts ?? (may("CONTRACT_VIEW") ? (await get("contracts")).items : []);
    await more(page);
    if (!still()) return;
    kept = page;
    fill(main, h("h1", null, "Disputes"), page.node);
    draw(page);
  }
  if (id) await drawer(id, { onclose: () => closed(id, go), onchange: () => changed(id), partners: kept.contracts });
}

function closed(id, go) {
  if (!location.pathname.endsWith(`/disputes/${id}`)) return;
  go(to("disputes", Object.fromEntries(new URLSearchParams(location.search))));
  // The row may have been drawn anew since it was opened.
  kept.node.querySelector(`a[href^="/console/disputes/${CSS.escape(id)}"]`)?.focus();
}

/** One dispute moved on: its row is read anew, the others stay as they were read. */
async function changed(id) {
  const at = kept.rows.findIndex((each) => each.dispute_id === id);
  if (at < 0) return;
  kept.rows[at] = await get(`disputes/${part(id)}`);
  if (!PENDING.has(kept.rows[at].state)) kept.chosen.delete(id);
  draw(kept);
}

function asked(page) {
  const { query } = page;
  const value = (name) => query.get(name) || undefined;
  const state = value("state") ?? "WAITING";
  const claimed = value("claimed") ? typed(value("claimed"), "EUR") : null;
  const days = (name) => (/^\d{1,4}$/.test(value(name) ?? "") ? Number(value(name)) : null);
  return {
    partner: value("partner"),
    state: ["WAITING", "ALL"].includes(state) ? undefined : state,
    waiting: state === "WAITING" ? "true" : undefined,
    reason: value("reason"),
    assignee: value("assignee") === "me" ? shared.me.actor_id : value("assignee"),
    min_claimed_minor: claimed === null ? undefined : claimed.toString(),
    due_before_utc: days("due") === null ? undefined : inDays(days("due")),
    filed_before_utc: days("age") === null ? undefined : inDays(-days("age")),
    limit: PAGE,
    after: page.after,
  };
}

/** The next rows; pages in which the filter left nothing are passed over. */
async function more(page) {
  for (let tries = 0; tries < PATIENCE; tries += 1) {
    const found = await get("disputes", asked(page));
    page.rows.push(...found.items);
    page.after = found.after ?? null;
    if (found.items.length || !page.after) return;
  }
}

const COLUMNS = [
  { key: "id", name: "No.", sort: (row) => row.dispute_id, cell: (row) => link(to(`disputes/${row.dispute_id}`, Object.fromEntries(new URLSearchParams(location.search))), row.dispute_id) },
  { key: "partner", name: "Partner", sort: (row) => partner(row).toLowerCase(), cell: (row) => partner(row) },
  { key: "cdr", name: "CDR", sort: (row) => row.cdr_ref, cell: (row) => link(traceOf(row.cdr_ref), row.cdr_ref) },
  { key: "reason", name: "Reason", sort: (row) => word(REASONS, row.reason), cell: (row) => word(REASONS, row.reason) },
  { key: "claimed", name: "Claimed", number: true, sort: (row) => minor(row.claimed), cell: (row) => money(row.claimed) },
  { key: "age", name: "Age", number: true, sort: (row) => row.filed_at_utc, cell: (row) => `${daysSince(row.filed_at_utc)} d` },
  { key: "due", name: "Deadline", sort: (row) => row.clocks.due_utc ?? "9", cell: deadline },
  { key: "assignee", name: "In hand of", sort: (row) => row.assignee ?? "", cell: (row) => (row.assignee === shared.me.actor_id ? "me" : row.assignee ? row.assignee.slice(0, 12) : "–") },
  { key: "state", name: "State", sort: (row) => row.state, cell: (row) => badge(word(STATES, row.state), tone(row.state)) },
];

function partner(row) {
  return kept?.contracts.find((each) => each.contract_id === row.contract_id)?.name ?? row.contract_id;
}

function deadline(row) {
  const due = row.clocks.due_utc;
  if (!due) return "–";
  const who = row.clocks.waits_for === "CPO" ? "you" : "the eMSP";
  return [local(due, shared.at.zone), h("small", null, ` ${left(due) ? `${left(due)} for ${who}` : `passed, ${who} was silent`}`)];
}

function draw(page) {
  const by = page.query.get("by");
  const order = { by, down: page.query.get("down") === "1", choose: (key) => page.go(again(page, { by: key, down: by === key && !page.query.get("down") ? "1" : "" })) };
  const rows = sorted(page.rows, COLUMNS.find((each) => each.key === by), order.down);
  const columns = may("DISPUTE_RESOLVE") ? [choice(page, rows), ...COLUMNS] : COLUMNS;
  const pages = page.after ? h("div", { class: "actions" }, button("Load more", acting(async () => { await more(page); draw(page); })), button("Load all", acting(() => all(page)))) : null;
  const part = page.after ? " so far; more exist, and only what is loaded is sorted" : "";
  const open = () => page.rows.filter((row) => PENDING.has(row.state)).forEach((row) => page.chosen.add(row.dispute_id));
  const every = may("DISPUTE_RESOLVE") ? [" ", button("Select all", () => { open(); draw(page); }, { class: "narrow" })] : null;
  const summary = h("p", { class: "summary" }, `${many(page.rows.length, "dispute")}, ${total(page.rows.map((each) => each.claimed))} claimed${part}.`, every);
  const list = page.rows.length ? [summary, table(columns, rows, { order, caption: "Disputes", mark: (row) => (row.clocks.overdue ? "late" : "") }), pages] : nothing(page);
  fill(page.node, filters(page), bulk(page), list);
}

async function all(page) {
  while (page.after) await more(page);
  draw(page);
}

function nothing(page) {
  const filtered = FILTERS.some((name) => page.query.get(name));
  if (page.after) return empty("Nothing fits among those looked through so far.", button("Look further", acting(async () => { await more(page); draw(page); })));
  if (filtered) return empty("No dispute fits these filters.", link("/console/disputes", "Show everything that waits for a word"));
  return empty("Nothing waits for a word.", "A dispute appears here as soon as an eMSP files one in its control window. ", link(to("disputes", { state: "ALL" }), "Show those that have ended"));
}

function again(page, change) {
  return to("disputes", { ...Object.fromEntries(FILTERS.map((name) => [name, page.query.get(name)])), ...change });
}

function filters(page) {
  const value = (name) => page.query.get(name) ?? "";
  const parties = [...new Set(page.contracts.flatMap((each) => each.party_ids))].sort();
  const form = h("form", { class: "filters", role: "search", "aria-label": "Filters" },
    field("Partner", select("partner", [["", "All"], ...parties.map((each) => [each, `${each} ${names(page, each)}`])], value("partner"))),
    field("State", select("state", [["", "Waiting"], ["ALL", "All"], ...Object.entries(STATES)], value("state"))),
    field("Reason", select("reason", [["", "All"], ...Object.entries(REASONS)], value("reason"))),
    field("Claimed from", h("input", { name: "claimed", inputmode: "decimal", pattern: "\\d{1,12}([.,]\\d{1,2})?", placeholder: "10.00", value: value("claimed") })),
    field("Older than, days", h("input", { name: "age", inputmode: "numeric", pattern: "\\d{1,4}", value: value("age") })),
    field("Due within, days", h("input", { name: "due", inputmode: "numeric", pattern: "\\d{1,4}", value: value("due") })),
    field("In hand of", select("assignee", [["", "Anybody"], ["me", "Me"]], value("assignee"))),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Filter"), link("/console/disputes", "Clear")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    page.go(again(page, Object.fromEntries(new FormData(form))));
  });
  return form;
}

function names(page, party) {
  return page.contracts.filter((each) => each.party_ids.includes(party)).map((each) => each.name).join(", ");
}

function choice(page, rows) {
  const open = rows.filter((row) => PENDING.has(row.state));
  const chosen = open.filter((row) => page.chosen.has(row.dispute_id)).length;
  const every = h("input", { type: "checkbox", "aria-label": "Select all that are loaded", checked: open.length > 0 && chosen === open.length, indeterminate: chosen > 0 && chosen < open.length,
    onchange: (event) => { open.forEach((row) => page.chosen[event.target.checked ? "add" : "delete"](row.dispute_id)); draw(page); } });
  const cell = (row) => PENDING.has(row.state) && h("input", { type: "checkbox", "aria-label": `Select ${row.dispute_id}`, checked: page.chosen.has(row.dispute_id),
    onchange: (event) => { page.chosen[event.target.checked ? "add" : "delete"](row.dispute_id); draw(page); } });
  return { key: "choice", name: "Select", head: every, cell };
}

function bulk(page) {
  const rows = page.rows.filter((row) => page.chosen.has(row.dispute_id));
  if (!rows.length) return null;
  const said = `${many(rows.length, "dispute")}, ${total(rows.map((row) => row.claimed))} claimed`;
  return h("div", { class: "bulk", role: "region", "aria-label": "Selected disputes" }, h("strong", null, said),
    button("Accept …", () => accept(page, rows, said), { class: "main" }),
    button("Reject …", () => reject(page, rows, said)),
    button("Ask for information …", () => inform(page, rows, said)),
    button("Take in hand", acting(() => take(page, rows))),
    button("Select none", () => { page.chosen.clear(); draw(page); }, { class: "quiet" }));
}

function words(label, least) {
  return field(label, h("textarea", { name: "text", rows: 4, required: true, minlength: least, maxlength: 4000 }));
}

function accept(page, rows, said) {
  const left = rows.map((row) => sent(minor(row.original) - minor(row.claimed), row.original.currency));
  const text = `Accept ${said}? These sessions will be billed with ${total(left.map((each) => ({ ...each, amount_minor: String(each.amount_minor) })))} net instead of ${total(rows.map((row) => row.original))}.`;
  ask("Accept disputes", { text, label: `Accept ${said}`, action: () => answer(page, rows, { outcome: "ACCEPTED" }) });
}

function reject(page, rows, said) {
  const text = `Reject ${said}? The sessions stay billed as they were. The eMSP reads your reason.`;
  ask("Reject disputes", { text, controls: words("Reason", 3), label: `Reject ${said}`, action: (form) => answer(page, rows, { outcome: "REJECTED", answer: form.get("text") }) });
}

function inform(page, rows, said) {
  const text = `Ask the eMSP about ${said}? It has five working days; your own clock stands still until it answers.`;
  const action = async (form) => {
    const outcomes = [];
    for (const row of rows) outcomes.push(await single(row, () => post(`disputes/${part(row.dispute_id)}/info-request`, { text: form.get("text") })));
    await done(page, outcomes);
  };
  ask("Ask for information", { text, controls: words("Question", 3), label: `Ask about ${said}`, action });
}

async function single(row, action) {
  try {
    await action();
    return { dispute_id: row.dispute_id, code: "DONE" };
  } catch (error) {
    if (!error.problem) throw error;
    return { dispute_id: row.dispute_id, code: error.problem.code, message: error.problem.detail };
  }
}

async function answer(page, rows, given) {
  const outcomes = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    const items = rows.slice(at, at + AT_ONCE).map((row) => ({ dispute_id: row.dispute_id, ...given }));
    outcomes.push(...(await post("disputes/answers", { items })).items);
  }
  await done(page, outcomes);
}

async function take(page, rows) {
  const outcomes = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    outcomes.push(...(await post("disputes/review", { dispute_ids: rows.slice(at, at + AT_ONCE).map((row) => row.dispute_id) })).items);
  }
  await done(page, outcomes);
}

/** Say what became of each, keep those selected that did not go, and read the queue anew. */
async function done(page, outcomes) {
  const refused = outcomes.filter((each) => each.code !== "DONE");
  say(`${outcomes.length - refused.length} of ${outcomes.length} done.`);
  const chosen = new Set(refused.map((each) => each.dispute_id ?? each.subject));
  const loaded = page.rows.length;
  Object.assign(page, { rows: [], after: undefined, chosen });
  try {
    do await more(page); while (page.after && page.rows.length < loaded);
  } catch (error) {
    fill(page.node, fault(error));
    return;
  }
  draw(page);
  if (!refused.length) return;
  const columns = [
    { name: "Dispute", cell: (row) => row.dispute_id ?? row.subject },
    { name: "Why not", cell: (row) => `${row.message ?? ""} (${row.code})` },
  ];
  dialog(`${refused.length} of ${outcomes.length} were not done`, table(columns, refused, { caption: "They stay selected" }));
}
