// The eMSP's own disputes: where each stands, whose word is awaited, and what came out.

import { get, part, post, until, upload } from "./api.js";
import { acting, badge, button, dialog, empty, field, fill, h, link, select, table, to, traceOf } from "./dom.js";
import { money, total } from "./exact.js";
import { may, shared } from "./state.js";
import { drawer } from "./thread.js";
import { left, local } from "./times.js";
import { many as counted, REASONS, STATES, tone, word } from "./words.js";

let kept = null;

/** A sheet with cdr_id, reason, claimed_amount and comment: each row has its own result. */
function sheet(page) {
  const file = h("input", { type: "file", name: "sheet", accept: ".xlsx", required: true });
  const form = h("form", { class: "stack" }, h("p", null, "An XLSX file with the columns cdr_id, reason, claimed_amount and comment, up to 5,000 rows."),
    field("Sheet", file), h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Send the sheet")));
  form.addEventListener("submit", acting(async () => {
    const made = await post("disputes/lists", {});
    await upload(made.form, file.files[0]);
    const told = await until(() => get(`disputes/lists/${part(made.list.list_id)}`), (each) => each.list.state !== "PENDING", { patience: 300_000 });
    if (!told) return fill(form, h("p", null, `The sheet ${made.list.list_id} has not been read yet. Its disputes appear here.`));
    fill(form, h("p", { class: "lead", role: "status" }, `${told.list.filed} of ${told.list.rows} rows are disputed, ${told.list.refused} were refused.`), told.url ? link(told.url, "Result per row (XLSX)") : null);
    Object.assign(page, { rows: [], after: undefined });
    await more(page);
    draw(page);
  }));
  dialog("File a sheet of disputes", form);
}

export async function claims(main, { id, query, go, still }) {
  const state = query.get("state") ?? "";
  const key = `${shared.at.issuer_id}?${state}`;
  if (kept?.key !== key || !kept.node.isConnected) {
    const page = { key, state, go, rows: [], node: h("div") };
    await more(page);
    if (!still()) return;
    kept = page;
    fill(main, h("h1", null, "My disputes"), page.node);
    draw(page);
  }
  if (id) await drawer(id, { onclose: () => closed(id, state, go), onchange: () => changed(id) });
}

function closed(id, state, go) {
  if (!location.pathname.endsWith(`/claims/${id}`)) return;
  go(to("claims", { state }));
  kept.node.querySelector(`a[href^="/console/claims/${CSS.escape(id)}"]`)?.focus();
}

async function more(page) {
  const found = await get("disputes", { state: page.state, limit: 100, after: page.after });
  page.rows.push(...found.items);
  page.after = found.after ?? null;
}

async function changed(id) {
  const at = kept.rows.findIndex((each) => each.dispute_id === id);
  if (at < 0) return;
  kept.rows[at] = await get(`disputes/${part(id)}`);
  draw(kept);
}

const COLUMNS = [
  { name: "No.", cell: (row) => link(to(`claims/${row.dispute_id}`, { state: kept?.state }), row.dispute_id) },
  { name: "CDR", cell: (row) => link(traceOf(row.cdr_ref), row.cdr_ref) },
  { name: "Reason", cell: (row) => word(REASONS, row.reason) },
  { name: "Claimed", number: true, cell: (row) => money(row.claimed) },
  { name: "State", cell: (row) => badge(word(STATES, row.state), tone(row.state)) },
  { name: "Awaited", cell: awaited },
  { name: "Accepted", number: true, cell: (row) => money(row.accepted) },
];

function awaited(row) {
  const { waits_for: who, due_utc: due } = row.clocks;
  if (!due) return row.resolved_at_utc ? `ended ${local(row.resolved_at_utc, shared.at.zone)}` : "–";
  return [who === "EMSP" ? h("strong", null, "your answer") : "the CPO", ` by ${local(due, shared.at.zone)}`, h("small", null, left(due) ? ` ${left(due)} left` : " passed")];
}

function draw(page) {
  const choice = select("state", [["", "All"], ...Object.entries(STATES)], page.state);
  choice.addEventListener("change", () => page.go(to("claims", { state: choice.value })));
  const list = page.rows.length
    ? [h("p", { class: "summary" }, `${counted(page.rows.length, "dispute")}${page.after ? " so far" : ""}, ${total(page.rows.map((row) => row.claimed))} claimed, ${total(page.rows.map((row) => row.accepted))} accepted.`), table(COLUMNS, page.rows, { caption: "My disputes", mark: (row) => (row.clocks.waits_for === "EMSP" ? "late" : "") })]
    : empty(page.state ? "No dispute is in this state." : "You have disputed nothing.", link("/console/review", "Open the review and choose a session"));
  const rest = page.after ? h("div", { class: "actions" }, button("Load more", acting(async () => { await more(page); draw(page); }))) : null;
  const many = may("DISPUTE_CREATE") ? h("div", { class: "actions" }, button("File a sheet of disputes …", () => sheet(page))) : null;
  fill(page.node, many, h("label", { class: "field" }, h("span", null, "State"), choice), list, rest);
}
