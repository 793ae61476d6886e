// Everything known of one CDR: what people open from a session list to see why it costs what it costs.

import { call, part } from "./api.js";
import { badge, button, empty, facts, fill, h, link, say, table } from "./dom.js";
import { money } from "./exact.js";
import { priced, received } from "./priced.js";
import { enter, isStaff, may, shared } from "./state.js";
import { duration, local } from "./times.js";
import { RUN_STATES, STATES, TICKS, word } from "./words.js";

export async function trace(main, { id, still, reframe }) {
  const found = await anywhere(id, reframe);
  if (!still()) return null;
  if (!found) return fill(main, h("h1", null, "CDR"), empty(`No CDR of yours has the reference ${id}.`, "Take the link from the session list of the invoice, or ask the issuer."));
  const { session } = found;
  return fill(main,
    h("h1", null, `CDR ${session?.cdr_id ?? id}`),
    h("div", { class: "actions" }, button("Copy the link", copy, { class: "quiet" })),
    state(found),
    h("div", { class: "beside two" }, priced(found.ratings, session), received(found, session)),
    history(found));
}

/** A link names no issuer: who works for several is shown the CDR at the one that has it. */
async function anywhere(id, reframe) {
  const others = shared.me.items.filter((each) => each !== shared.at);
  for (const each of [shared.at, ...others]) {
    try {
      const found = await call("GET", `cdrs/${part(id)}/trace`, { at: each.issuer_id });
      if (each !== shared.at) {
        enter(each.issuer_id);
        reframe();
      }
      return found;
    } catch (error) {
      if (!["NOT_FOUND", "FORBIDDEN"].includes(error.problem?.code)) throw error;
    }
  }
  return null;
}

async function copy() {
  await navigator.clipboard.writeText(location.origin + location.pathname);
  say("The link was copied.");
}

function state({ session, billing, ticks, run }) {
  if (!session) return h("p", { class: "lead" }, "It was received and is being checked. Load this page again in a minute.");
  const dispute = session.dispute_id && may("DISPUTE_VIEW") ? link(`/console/${isStaff() ? "disputes" : "claims"}/${session.dispute_id}`, `${session.dispute_id}, ${word(STATES, session.dispute)}`) : null;
  return h("section", { class: "panel" }, h("h2", null, "Where it stands"),
    facts([
      ["Billing", badge(billing.replaceAll("_", " ").toLowerCase(), billing === "ON_HOLD" ? "warn" : "")],
      ["Net", money(session.net)],
      ["Waits because of", (session.reasons ?? []).join(", ")],
      ["Warnings", (session.warnings ?? []).join(", ")],
      ["Start", local(session.start_utc, session.zone)],
      ["Stop", local(session.stop_utc, session.zone)],
      ["Duration", duration(session.start_utc, session.stop_utc)],
      ["Received", local(session.received_at_utc, shared.at.zone)],
      ["Run", run && may("RUN_VIEW") ? link(`/console/review/${encodeURIComponent(run.run_id)}`, `${run.run_id}, ${word(RUN_STATES, run.state)}`) : null],
      ["Documents", run?.numbers?.length ? run.numbers.map((each) => [link(`/console/documents/${encodeURIComponent(each)}`, each), " "]) : null],
      ["Dispute", dispute],
    ]),
    h("ul", { class: "ticks" }, Object.entries(ticks).map(([name, on]) => h("li", { class: on ? "yes" : "no" }, `${on ? "✓" : "✗"} ${word(TICKS, name)}`))));
}

function history({ disputes }) {
  if (!disputes?.length) return null;
  const columns = [
    { name: "When", cell: (row) => local(row.at_utc, shared.at.zone) },
    { name: "What", cell: (row) => row.action },
    { name: "By", cell: (row) => (row.actor_id === shared.me.actor_id ? "you" : row.actor_id) },
  ];
  return h("section", { class: "panel" }, h("h2", null, "What was done in its dispute"), table(columns, disputes, { caption: "Audit trail" }));
}
