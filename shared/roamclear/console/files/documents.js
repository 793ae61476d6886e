// Issued documents with their files.

import { everything, get, part } from "./api.js";
import { acting, badge, button, dialog, empty, facts, fault, fill, h, link, table, to } from "./dom.js";
import { money } from "./exact.js";
import { shared } from "./state.js";
import { local } from "./times.js";
import { TYPES, word } from "./words.js";

//: Rows that are drawn at once.
const DRAWN = 300;
let kept = null;

export async function documents(main, { id, go, still }) {
  if (kept?.issuer !== shared.at.issuer_id || !kept.node.isConnected) {
    // They come in order of issue, so the latest are known when all are.
    const { items, whole } = await everything("invoices");
    if (!still()) return;
    kept = { issuer: shared.at.issuer_id, rows: items.reverse(), whole, drawn: DRAWN, node: h("div") };
    fill(main, h("h1", null, "Documents"), kept.node);
    draw(kept);
  }
  if (id) await open(id, go);
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
  const caption = page.whole ? "Documents, the latest first" : "The first documents; there are more than a page can list";
  const list = page.rows.length ? table(COLUMNS, page.rows.slice(0, page.drawn), { caption }) : empty("No document was issued yet.", "The first one follows the lock of a control window. ", link("/console/review", "Open the review"));
  const hidden = page.rows.length - page.drawn;
  const rest = hidden > 0 ? h("div", { class: "actions" }, button(`Show ${Math.min(hidden, DRAWN)} of ${hidden} more`, () => { page.drawn += DRAWN; draw(page); })) : null;
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
      h("p", null, button("Proof of its lock", acting(async () => location.assign((await get(`runs/${part(found.run_id)}/lock`)).link)), { class: "quiet" }), " ", link("/console/verify", "check it")),
      found.files.length ? h("ul", { class: "files" }, found.files.map((file) => h("li", null, link(file.link, file.name)))) : h("p", { class: "note" }, "Its files are being drawn. Open it again in a minute."));
  } catch (error) {
    fill(body, fault(error));
  }
}
