// The eMSP's own list against the run: five classes with their sums, and claims filed from what differs.

import { get, part, post, sha256, until, upload } from "./api.js";
import { acting, ask, button, dialog, empty, fault, field, fill, h, link, select, table, traceOf } from "./dom.js";
import { count, money, total } from "./exact.js";
import { may } from "./state.js";
import { many, MATCHES, word } from "./words.js";

//: Pages of rows that are read to add up what would be claimed.
const MOST_PAGES = 40;

/** A dialog that takes a file and shows what the comparison says. */
export function compare(run, { onfiled }) {
  const body = h("div", { class: "drawer-body" });
  dialog("Compare my list", body, { kind: "drawer" });
  const at = { run, body, onfiled };
  fill(body, form(at), h("div", { class: "earlier" }));
  earlier(at);
}

function form(at) {
  const file = h("input", { type: "file", name: "file", accept: ".csv,.xlsx", required: true });
  const zone = h("input", { name: "zone", value: at.run.zone, maxlength: 64 });
  const made = h("form", { class: "stack" },
    h("p", { class: "lead" }, "Give the list of your own system: one row a session, with a CDR or session id, or EVSE, start and kWh; amounts are net."),
    field("File", file, "CSV or XLSX, up to 20 MB"),
    field("Times without an offset are in", zone),
    field("Dates are written", select("day_first", [["1", "day first"], ["", "month first"]], "1")),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Compare")));
  made.addEventListener("submit", acting(async () => {
    const [chosen] = file.files;
    const options = { zone: zone.value.trim() || null, day_first: new FormData(made).get("day_first") === "1" };
    const format = chosen.name.toLowerCase().endsWith(".xlsx") ? "xlsx" : "csv";
    const told = await post("compare", { run_id: at.run.run_id, format, sha256: await sha256(chosen), options });
    if (told.upload) await upload(told.upload, chosen);
    await show(at, told.comparison_id);
  }));
  return made;
}

async function earlier(at) {
  try {
    const { items } = await get("compare", { run: at.run.run_id });
    if (!items.length) return;
    const rows = items.map((each) => h("li", null, button(`${each.comparison_id}, ${each.state === "DONE" ? `${each.rows_there} rows` : each.state.toLowerCase()}`, acting(() => show(at, each.comparison_id)), { class: "link" })));
    fill(at.body.querySelector(".earlier") ?? h("div"), h("h3", null, "Compared before"), h("ul", null, rows));
  } catch (error) {
    fill(at.body.querySelector(".earlier") ?? h("div"), fault(error));
  }
}

async function show(at, id) {
  const found = await until(() => get(`compare/${part(id)}`), (each) => each.state !== "WAITING", { patience: 300_000 });
  if (!found) return fill(at.body, empty("The comparison is not done yet.", button("Look again", acting(() => show(at, id)))));
  if (found.state === "REFUSED") return fill(at.body, h("p", { class: "fault", role: "alert" }, `The list could not be read: ${found.fault}`), form(at));
  const columns = [
    { name: "Class", cell: (each) => button(word(MATCHES, each.match), acting(() => rows(at, id, each.match)), { class: "link" }) },
    { name: "Rows of ours", number: true, cell: (each) => String(each.rows_here) },
    { name: "Rows of yours", number: true, cell: (each) => String(each.rows_there) },
    { name: "Net, ours", number: true, cell: (each) => money(each.net_here) },
    { name: "Net, yours", number: true, cell: (each) => total(each.net_there ?? []) },
  ];
  const claims = count(found.claims);
  fill(at.body,
    h("p", { class: "lead" }, `${found.rows_there} rows of yours against ${found.rows_here} of ours.`),
    table(columns, found.sums, { caption: "Every row of either list is in exactly one class" }),
    h("div", { class: "actions" },
      claims && may("DISPUTE_CREATE") ? button(`Dispute what differs (${claims}) …`, acting(() => dispute(at, id)), { class: "main" }) : null,
      found.files.map((each) => link(each.link, each.name)),
      button("Compare another list", () => fill(at.body, form(at)), { class: "quiet" })),
    claims ? null : h("p", null, "Nothing differs that could be disputed."),
    h("div", { class: "rows" }));
}

async function rows(at, id, match) {
  const place = at.body.querySelector(".rows");
  const found = [];
  const draw = (next) => fill(place, h("h3", null, word(MATCHES, match)), found.length ? table(COLUMNS, found, { caption: "Rows" }) : empty("No row is in this class."), next ? button("Load more", acting(() => read(next))) : null);
  const read = async (cursor) => {
    const page = await get(`compare/${part(id)}/rows`, { class: match, cursor });
    found.push(...page.items);
    draw(page.next);
  };
  await read();
}

const COLUMNS = [
  { name: "CDR", cell: (row) => (row.here ? link(traceOf(row.here.cdr_ref), row.here.cdr_id) : row.there?.cdr_id ?? "–") },
  { name: "Your row", number: true, cell: (row) => (row.row === undefined ? "–" : String(row.row)) },
  { name: "Ours", number: true, cell: (row) => side(row.here) },
  { name: "Yours", number: true, cell: (row) => side(row.there) },
  { name: "What differs", cell: (row) => (row.differences ?? []).join(", ") || "–" },
  { name: "Prepared claim", number: true, cell: (row) => (row.claim ? money(claimed(row)) : "–") },
];

function side(row) {
  if (!row) return "–";
  return row.net ? money(row.net) : "not stated";
}

/** What a prepared claim asks for: all of the session where it says nothing else. */
function claimed(row) {
  return row.claim.claimed ?? row.here?.net;
}

/** Ask with count and sum of what would be claimed, then file all of it, 200 at a time. */
async function dispute(at, id) {
  const claims = [];
  for (const match of ["AMOUNT_DIFFERS", "MISSING_THERE"]) {
    let cursor;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const found = await get(`compare/${part(id)}/rows`, { class: match, cursor });
      claims.push(...found.items.filter((row) => row.claim).map(claimed));
      if (!(cursor = found.next)) break;
    }
  }
  const said = `${many(claims.length, "session")}, ${total(claims)}`;
  const action = async () => {
    const outcomes = [];
    let next = 0;
    while (next !== null) {
      const page = await post(`compare/${part(id)}/disputes`, { next });
      outcomes.push(...page.items);
      next = page.next === null || page.next === undefined ? null : count(page.next);
    }
    told(at, outcomes);
    await at.onfiled();
  };
  ask("Dispute what differs", { text: `File disputes on ${said}? Each has its own outcome; what is disputed already stays as it is.`, label: `Dispute ${said}`, action });
}

function told(at, outcomes) {
  const filed = outcomes.filter((each) => each.code === "CREATED" || each.code === "KNOWN");
  const refused = outcomes.filter((each) => !filed.includes(each));
  const columns = [
    { name: "CDR", cell: (row) => row.subject },
    { name: "Why not", cell: (row) => `${row.message} (${row.code})` },
  ];
  fill(at.body, h("p", { class: "lead", role: "status" }, `${filed.length} of ${outcomes.length} are disputed now.`), link("/console/claims", "My disputes"), refused.length ? table(columns, refused, { caption: "Not filed" }) : null);
}
