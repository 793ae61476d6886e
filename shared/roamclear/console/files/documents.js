// Issued documents with their files.

import { get, part } from "./api.js";
import { acting, badge, button, dialog, empty, facts, fault, fill, h, link, table, to } from "./dom.js";
import { money } from "./exact.js";
import { shared } from "./state.js";
import { local } from "./times.js";
import { TYPES, word } from "./words.js";

const PAGE = 200;
let kept = null;

export async function documents(main, { id, go }) {
  if (kept?.issuer !== shared.at.issuer_id || !kept.node.isConnected) {
    const page = { issuer: shared.at.issuer_id, rows: [], node: h("div") };
    await more(page);
    kept = page;
    fill(main, h("h1", null, "Documents"), page.node);
    draw(page);
  }
  if (id) await open(id, go);
}

async function more(page) {
  const found = await get("invoices", { limit: PAGE, cursor: page.next });
  page.rows.push(...found.items);
  page.next = found.next;
}

const COLUMNS = [
  { name: "Number", cell: (row) => link(to(`documents/${encodeURIComponent(row.number)}`), row.number) },
  { name: "Type", cell: (row) => word(TYPES, row.type_code) },
  { name: "Period", cell: (row) => row.period },
  { name: "Issued", cell: (row) => row.issue_date },
  { name: "Due", cell: (row) => row.due_date },
  { name: "Sessions", number: true, cell: (row) => link(`/console/review/${encodeURIComponent(row.run_id)}`, String(row.sessions)) },
  { name: "Gross", number: true, cell: (row) => money(row.gross) },
  { name: "Open", number: true, cell: (row) => money(row.open_amount) },
  { name: "State", cell: (row) => badge(row.state.replaceAll("_", " ").toLowerCase(), row.state === "PAID" ? "good" : "") },
];

function draw(page) {
  const list = page.rows.length ? table(COLUMNS, [...page.rows].reverse(), { caption: "Documents, the latest first" }) : empty("No document was issued yet.", "The first one follows the lock of a control window. ", link("/console/review", "Open the review"));
  const rest = page.next ? h("div", { class: "actions" }, button("Load more", acting(async () => { await more(page); draw(page); }))) : null;
  fill(page.node, list, rest);
}

async function open(number, go) {
  const body = h("div", null, h("p", { class: "note" }, "One moment …"));
  dialog(number, body, { onclose: () => location.pathname.startsWith("/console/documents/") && go("/console/documents") });
  try {
    const found = await get(`invoices/${part(number)}`);
    fill(body,
      facts([
        ["Partner", found.partner_name],
        ["Net", money(found.net)],
        ["VAT", money(found.tax)],
        ["Gross", money(found.gross)],
        ["Reference", found.reference],
        ["Issued", local(found.issued_at_utc, shared.at.zone)],
        ["Corrects", found.preceding ? link(to(`documents/${encodeURIComponent(found.preceding)}`), found.preceding) : null],
      ]),
      found.files.length ? h("ul", { class: "files" }, found.files.map((file) => h("li", null, link(file.link, file.name)))) : h("p", { class: "note" }, "Its files are being drawn. Open it again in a minute."));
  } catch (error) {
    fill(body, fault(error));
  }
}
