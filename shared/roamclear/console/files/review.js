// The eMSP's control window: what is about to be billed, row by row, and what can still be said about it.

import { call, everything, get, keys, part, post, until } from "./api.js";
import { compare } from "./compare.js";
import { acting, ask, badge, button, dialog, empty, facts, fault, field, fill, h, link, say, select, sorted, table, to, traceOf } from "./dom.js";
import { count, minor, money, sent, total, typed } from "./exact.js";
import { delta, priced, received } from "./priced.js";
import { isStaff, marks, may, shared } from "./state.js";
import { drawer, plain, sendFiles } from "./thread.js";
import { duration, left, local, parse } from "./times.js";
import { evse, many, REASONS, RUN_STATES, STATES, word } from "./words.js";

//: Sessions of one answer of the API, and rows that are drawn at once: a browser is slow before the API is.
const PAGE = 2000;
const DRAWN = 300;
const FILTERS = ["q", "country", "from", "to", "badge", "status", "by", "down"];
const FORMATS = { xlsx: "XLSX", csv: "CSV" };

let kept = null;

/** The control windows a person may see; the only open one is opened at once. */
export async function runs(main, { go, query, still }) {
  // They come by the end of their period: the open ones stand at the end of the last page.
  const { items } = await everything("runs");
  if (!still()) return null;
  const open = items.filter((run) => run.state === "WINDOW");
  if (open.length === 1 && !isStaff() && !query.get("all")) return go(`/console/review/${encodeURIComponent(open[0].run_id)}`, { replace: true });
  const columns = [
    { name: "Contract and period", cell: (run) => link(`/console/review/${encodeURIComponent(run.run_id)}`, `${run.contract_id} · ${run.period}`) },
    { name: "State", cell: (run) => badge(word(RUN_STATES, run.state), run.state === "WINDOW" ? "good" : "") },
    { name: "Opens", cell: (run) => local(run.opened_at_utc ?? run.opens_at_utc, run.zone) },
    { name: "Closes", cell: (run) => [local(run.closes_at_utc, run.zone), run.state === "WINDOW" && left(run.closes_at_utc) ? h("small", null, ` ${left(run.closes_at_utc)} left`) : null] },
    { name: "Sessions", number: true, cell: (run) => String(run.locked_at_utc ? run.locked : run.members) },
    { name: "Net", number: true, cell: (run) => money(run.locked_net ?? run.proforma) },
  ];
  const rows = [...open, ...items.filter((run) => run.state !== "WINDOW").reverse()];
  const list = rows.length ? table(columns, rows.slice(0, DRAWN), { caption: rows.length > DRAWN ? `Control windows, the latest ${DRAWN}` : "Control windows" }) : empty("There is no control window yet.", "One opens after the end of each period; its contacts are told by mail.");
  return fill(main, h("h1", null, isStaff() ? "Control windows" : "Review"), list);
}

/** One run: its head, its sessions, and one of them in a drawer. */
export async function review(main, { id, query, go, still }) {
  const same = kept?.id === id && kept.issuer === shared.at.issuer_id && kept.node.isConnected;
  const page = same ? kept : { id, issuer: shared.at.issuer_id, node: h("div"), rows: [], drawn: DRAWN, marks: marks(id) };
  Object.assign(page, { query, go });
  if (!same) {
    await more(page);
    page.early = await mayEnd(page.run);
    if (!still()) return;
    kept = page;
    fill(main, h("h1", null, `${page.run.contract_id} · ${page.run.period}`), page.node);
    page.timer = setInterval(() => tick(page), 30_000);
  }
  draw(page);
}

async function more(page) {
  const found = await get(`runs/${part(page.id)}/sessions`, { limit: PAGE, cursor: page.next });
  Object.assign(page, { run: found.run, next: found.next });
  page.rows.push(...found.items);
  if (found.left) Object.assign(page, { left: found.left, fees: found.fees ?? [] });
}

function tick(page) {
  if (!page.node.isConnected) return clearInterval(page.timer);
  const place = page.node.querySelector(".countdown");
  if (place) fill(place, countdown(page.run));
}

function countdown(run) {
  if (run.state !== "WINDOW") return word(RUN_STATES, run.state);
  const rest = left(run.closes_at_utc);
  return rest ? `${rest} left` : "The window has closed";
}

function isOpen(page) {
  return page.run.state === "WINDOW" && left(page.run.closes_at_utc) !== null;
}

function draw(page) {
  const shownRows = filtered(page);
  const by = page.query.get("by");
  const columns = columnsOf(page);
  const order = { by, down: page.query.get("down") === "1", choose: (key) => page.go(again(page, { by: key, down: by === key && !page.query.get("down") ? "1" : "" })) };
  const rows = sorted(shownRows, columns.find((each) => each.key === by), order.down);
  const hidden = rows.length - page.drawn;
  const further = hidden > 0 ? h("div", { class: "actions" }, button(`Show ${Math.min(hidden, DRAWN)} of ${hidden} more`, () => { page.drawn += DRAWN; draw(page); }), button("Show all", () => { page.drawn = rows.length; draw(page); })) : null;
  const rest = page.next ? h("div", { class: "actions" }, button("Load more", acting(async () => { await more(page); draw(page); })), button("Load all", acting(async () => { while (page.next) await more(page); draw(page); }))) : null;
  const said = `${rows.length} of ${page.rows.length}${page.next ? " loaded" : ""} sessions, ${total(rows.map((row) => row.net))} net${page.next ? "; more exist" : ""}.`;
  const list = rows.length ? table(columns, rows.slice(0, page.drawn), { order, caption: "Sessions" }) : none(page);
  fill(page.node, head(page), filters(page), h("p", { class: "summary" }, said), list, further, hidden > 0 ? null : rest, extras(page));
}

function none(page) {
  if (page.rows.length) return empty("No session fits these filters.", link(again(page, Object.fromEntries(FILTERS.map((name) => [name, ""]))), "Show all"));
  return empty("No session belongs to this run.", "Nothing will be billed for its sessions.");
}

function head(page) {
  const { run, rows } = page;
  const done = rows.filter((row) => page.marks.has(row.cdr_ref) || row.dispute_id).length;
  const disputed = rows.filter((row) => row.dispute_id);
  const percent = rows.length ? Math.floor((done * 100) / rows.length) : 100;
  const here = (change) => again(page, { ...Object.fromEntries(FILTERS.map((name) => [name, ""])), ...change });
  return h("header", { class: "run" },
    h("p", { class: "countdown", role: "timer" }, countdown(run)),
    facts([
      ["Closes", local(run.closes_at_utc, run.zone)],
      ["Sessions", link(here({}), String(run.locked_at_utc ? run.locked : page.next ? run.members : rows.length))],
      ["Net", money(run.locked_net ?? (page.next ? run.proforma : { amount_minor: sum(rows, run.currency), currency: run.currency }))],
      ["Reviewed", isStaff() ? (run.reviewed_at_utc ? `by the eMSP, ${local(run.reviewed_at_utc, run.zone)}` : "not yet") : link(here({ status: "new" }), `${percent} %${page.next ? ` of ${rows.length} loaded` : ""}`)],
      ["Disputed", link(here({ status: "disputed" }), disputed.length ? `${disputed.length}, ${total(disputed.map((row) => row.net))}` : "0")],
      ["Left the run", page.left?.length ? h("a", { href: "#left" }, String(page.left.length)) : null],
    ]),
    h("div", { class: "actions" },
      Object.entries(FORMATS).map(([kind, name]) => button(`Download ${name}`, acting(() => download(page, kind)), { class: kind === "xlsx" ? "main" : undefined })),
      may("RUN_COMPARE") ? button("Upload my list to compare", () => compare(page.run, { onfiled: () => reload(page) })) : null,
      acceptAll(page)));
}

function sum(rows, currency) {
  return rows.reduce((units, row) => (row.net && row.net.currency === currency ? units + minor(row.net) : units), 0n);
}

/** Accept all now: offered to the eMSP while its window is open, where the contract lets it close early. */
function acceptAll(page) {
  const { run, rows } = page;
  if (!page.early || !isOpen(page)) return null;
  const all = page.next ? [String(run.members), money(run.proforma)] : [String(rows.length), total(rows.map((row) => row.net))];
  const disputed = rows.filter((row) => row.dispute_id).length;
  const said = `${many(Number(all[0]), "session")}, ${all[1]} net`;
  const text = `Accept ${said}? The window closes now and nothing can be disputed afterwards; this cannot be taken back. ${disputed} disputed ${disputed === 1 ? "session stays" : "sessions stay"} disputed.`;
  const action = async () => {
    await post(`runs/${part(page.id)}/accept`, {});
    await reload(page);
    say("The window is closed. The invoice follows.");
  };
  return button("Accept all now …", () => ask("Accept all now", { text, label: `Accept ${said}`, action }));
}

/** Whether the terms of the run let its eMSP close the window early; only its own people are asked. */
async function mayEnd(run) {
  if (!may("WINDOW_ACCEPT") || run.state !== "WINDOW") return false;
  const { versions } = await get(`contracts/${part(run.contract_id)}`);
  return versions.some((each) => count(each.version) === count(run.contract_version) && each.terms.early_acceptance === true);
}

async function reload(page) {
  const loaded = page.rows.length;
  Object.assign(page, { rows: [], next: undefined });
  do await more(page); while (page.next && page.rows.length < loaded);
  draw(page);
}

async function download(page, kind) {
  let asOf;
  const found = await until(async () => {
    const { told } = await call("GET", `runs/${part(page.id)}/export`, { query: { format: kind, as_of: asOf }, withStatus: true });
    asOf = told.as_of ?? undefined;
    return told.files;
  }, (files) => files.length > 0);
  if (!found) return say("The list is still being drawn. Ask again in a minute.");
  if (found.length === 1) return location.assign(found[0].link);
  dialog("The list has several parts", h("ul", null, found.map((each) => h("li", null, link(each.link, each.name)))));
}

function badges(row) {
  const found = [];
  if (row.section === "EARLIER") found.push(["late", ""]);
  if (row.credit_of) found.push(["credit", ""]);
  if (row.adjustment) found.push(["adjustment", ""]);
  const apart = delta(row);
  if (apart) found.push([`Δ ${apart} to the CDR`, "warn"]);
  return found.concat((row.warnings ?? []).map((each) => [each, "warn"]));
}

function status(page, row) {
  if (row.dispute_id) return "disputed";
  return page.marks.has(row.cdr_ref) ? "checked" : "new";
}

function columnsOf(page) {
  const zone = (row) => row.zone ?? page.run.zone;
  return [
    { key: "start", name: "Start", sort: (row) => row.start_utc, cell: (row) => h("button", { type: "button", class: "link", onclick: () => open(page, row) }, local(row.start_utc, zone(row))) },
    { key: "evse", name: "EVSE", sort: (row) => row.evse_id ?? "", cell: (row) => link(traceOf(row.cdr_ref), evse(row.evse_id) ?? row.cdr_id) },
    { key: "kwh", name: "kWh", number: true, sort: (row) => parseFloat(String(row.energy_kwh)), cell: (row) => String(row.energy_kwh) },
    { key: "long", name: "Duration", number: true, sort: (row) => parse(row.stop_utc) - parse(row.start_utc), cell: (row) => duration(row.start_utc, row.stop_utc) },
    { key: "tariff", name: "Terms", cell: (row) => (row.contract_version ? `version ${row.contract_version}` : "–") },
    { key: "net", name: "Net", number: true, sort: (row) => (row.net ? minor(row.net) : 0n), cell: (row) => money(row.net) },
    { key: "badges", name: "To look at", sort: (row) => -badges(row).length, cell: (row) => badges(row).map(([text, kind]) => badge(text, kind)) },
    { key: "status", name: isStaff() ? "Dispute" : "My word", sort: (row) => status(page, row), cell: (row) => own(page, row) },
  ];
}

function own(page, row) {
  if (row.dispute_id) return link(`/console/${isStaff() ? "disputes" : "claims"}/${row.dispute_id}`, word(STATES, row.dispute));
  if (isStaff()) return "–";
  const box = h("input", { type: "checkbox", checked: page.marks.has(row.cdr_ref) });
  box.addEventListener("change", () => {
    page.marks.set(row.cdr_ref, box.checked);
    page.node.querySelector("header.run").replaceWith(head(page));
  });
  return h("label", { class: "check" }, box, "checked");
}

function filtered(page) {
  const value = (name) => (page.query.get(name) ?? "").trim();
  const [from, until] = ["from", "to"].map((name) => typed(value(name), page.run.currency));
  const wanted = value("q").toUpperCase();
  const fits = (row) =>
    (!wanted || [row.cdr_id, row.evse_id, row.session_id, row.cdr_ref].some((each) => (each ?? "").toUpperCase().includes(wanted))) &&
    (!value("country") || row.country === value("country")) &&
    (from === null || (row.net && minor(row.net) >= from)) &&
    (until === null || (row.net && minor(row.net) <= until)) &&
    (!value("badge") || badges(row).length > 0) &&
    (!value("status") || status(page, row) === value("status"));
  return page.rows.filter(fits);
}

function again(page, change) {
  return to(`review/${encodeURIComponent(page.id)}`, { ...Object.fromEntries(FILTERS.map((name) => [name, page.query.get(name)])), ...change });
}

function filters(page) {
  const value = (name) => page.query.get(name) ?? "";
  const countries = [...new Set(page.rows.map((row) => row.country).filter(Boolean))].sort();
  const amount = { inputmode: "decimal", pattern: "\\d{1,12}([.,]\\d{1,3})?" };
  const form = h("form", { class: "filters", role: "search", "aria-label": "Filters" },
    field("EVSE or CDR", h("input", { name: "q", value: value("q"), maxlength: 60 })),
    field("Country", select("country", [["", "All"], ...countries.map((each) => [each, each])], value("country"))),
    field("Net from", h("input", { name: "from", value: value("from"), ...amount })),
    field("Net to", h("input", { name: "to", value: value("to"), ...amount })),
    field("Show", select("badge", [["", "All"], ["1", "Only what differs"]], value("badge"))),
    field("My word", select("status", [["", "All"], ["new", "Not looked at"], ["checked", "Checked"], ["disputed", "Disputed"]], value("status"))),
    h("div", { class: "actions" }, h("button", { type: "submit" }, "Filter"), isStaff() ? null : button("Mark these as checked", () => check(page), { class: "quiet" })));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    page.go(again(page, Object.fromEntries(new FormData(form))));
  });
  return form;
}

function check(page) {
  const rows = filtered(page).filter((row) => status(page, row) === "new");
  rows.forEach((row) => page.marks.set(row.cdr_ref, true));
  say(`${many(rows.length, "session")} marked on this device.`);
  draw(page);
}

function extras(page) {
  const leftColumns = [
    { name: "CDR", cell: (row) => link(traceOf(row.cdr_ref), row.cdr_id) },
    { name: "State", cell: (row) => word({}, row.billing) },
    { name: "Why", cell: (row) => (row.reasons ?? []).join(", ") || word(STATES, row.dispute) },
    { name: "Net", number: true, cell: (row) => money(row.net) },
  ];
  const feeColumns = [
    { name: "Fee", cell: (row) => row.name },
    { name: "Quantity", number: true, cell: (row) => String(row.quantity) },
    { name: "Net", number: true, cell: (row) => money(row.net) },
  ];
  return [
    page.fees?.length ? [h("h2", null, "Fees"), table(feeColumns, page.fees, { caption: "Fees this run would be charged" })] : null,
    page.left?.length ? [h("h2", { id: "left" }, "Left the run"), table(leftColumns, page.left, { caption: "Sessions that were members and are not billed by this run" })] : null,
  ];
}

/** One session over the page: its price, the CDR, and the form for a dispute while the window is open. */
async function open(page, row) {
  const body = h("div", { class: "drawer-body" }, h("p", { class: "note" }, "One moment …"));
  const close = dialog(`Session ${row.cdr_id}`, body, { kind: "drawer" });
  try {
    const found = await get(`cdrs/${part(row.cdr_ref)}/trace`);
    const word = row.dispute_id ? h("section", { class: "panel" }, h("h3", null, "Your dispute"), link(`/console/claims/${row.dispute_id}`, row.dispute_id)) : isOpen(page) && may("DISPUTE_CREATE") ? claim(page, row, close) : h("section", { class: "panel" }, h("h3", null, "Dispute"), h("p", null, may("DISPUTE_CREATE") ? `The window closed at ${local(page.run.closes_at_utc, page.run.zone)}.` : "eMSPs dispute their own sessions."));
    fill(body, facts([["CDR", link(traceOf(row.cdr_ref), row.cdr_ref)]]), h("div", { class: "beside" }, word, priced(found.ratings, found.session), received(found, found.session)));
  } catch (error) {
    fill(body, fault(error));
  }
}

function claim(page, row, close) {
  const { currency } = row.net;
  const amount = h("input", { name: "claimed", inputmode: "decimal", value: plain(minor(row.net), currency), required: true });
  amount.addEventListener("input", () => {
    const units = typed(amount.value, currency);
    amount.setCustomValidity(units !== null && units > 0n && units <= minor(row.net) ? "" : `More than 0 and up to ${money(row.net)}`);
  });
  const form = h("form", { class: "stack" },
    field("Reason", select("reason", Object.entries(REASONS), "ENERGY_TOO_HIGH")),
    field(`Too much by, in ${currency}`, amount, `The net of the session is ${money(row.net)}.`),
    field("What is wrong", h("textarea", { name: "text", rows: 4, maxlength: 4000 })),
    field("Evidence", h("input", { type: "file", name: "files", multiple: true, accept: ".pdf,.png,.jpg,.jpeg,.csv,.txt,.xlsx,.zip" }), "Up to ten files of 10 MB"),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "File this dispute")));
  const key = keys();
  form.addEventListener("submit", acting(async () => {
    const told = new FormData(form);
    const body = { cdr_ref: row.cdr_ref, reason: told.get("reason"), text: told.get("text"), claimed: sent(typed(amount.value, currency), currency) };
    const made = await post("disputes", body, key(body));
    Object.assign(row, { dispute_id: made.dispute_id, dispute: "OPEN" });
    const files = told.getAll("files").filter((file) => file.size > 0);
    await sendFilesOf(made.dispute_id, files);
    close();
    draw(page);
    await drawer(made.dispute_id);
  }));
  return h("section", { class: "panel" }, h("h3", null, "Dispute this session"), form);
}

/** The dispute stands whatever becomes of its files; they can be sent again from it. */
async function sendFilesOf(id, files) {
  try {
    if (files.length) await sendFiles(id, files);
    say(`Dispute ${id} was filed.`);
  } catch (error) {
    if (!error.problem) throw error;
    say(`Dispute ${id} was filed, but a file was not taken: ${error.problem.detail}`);
  }
}
