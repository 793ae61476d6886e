// One dispute: the CDR as received, the price, the claim with its evidence, the thread, and what the person may say.

import { get, keys, part, post, until, upload } from "./api.js";
import { acting, badge, button, dialog, facts, fault, field, fill, h, link, put, say, traceOf } from "./dom.js";
import { count, minor, money, shown, typed } from "./exact.js";
import { priced, received } from "./priced.js";
import { may, shared } from "./state.js";
import { left, local } from "./times.js";
import { PENDING, REASONS, SIDES, STATES, tone, word } from "./words.js";

const FILES = ".pdf,.png,.jpg,.jpeg,.csv,.txt,.xlsx,.zip";

/** Show a dispute over the page. `onchange` is told whenever it moved on. */
export async function drawer(id, { onclose, onchange, partners } = {}) {
  const body = h("div", { class: "drawer-body" }, h("p", { class: "note" }, "One moment …"));
  const close = dialog(`Dispute ${id}`, body, { kind: "drawer", onclose });
  const at = { id, body, close, partners: partners ?? [], onchange: onchange ?? (() => {}) };
  try {
    await draw(at);
  } catch (error) {
    fill(body, fault(error), button("Try again", acting(() => draw(at))));
  }
}

async function draw(at) {
  const view = await get(`disputes/${part(at.id)}/view`);
  const { dispute, session } = view;
  const partner = at.partners.find((each) => each.contract_id === dispute.contract_id);
  fill(at.body,
    head(view, partner),
    h("div", { class: "beside" }, h("div", { class: "stack" }, claim(view), h("section", { class: "panel" }, actions(at, view))), priced(view.ratings, session), received(view.cdr, session)),
    h("div", { class: "beside two" }, thread(at, view), evidence(at, view)));
}

async function moved(at, told) {
  say(told);
  await draw(at);
  await at.onchange();
}

function head(view, partner) {
  const { dispute, clocks } = view;
  const due = clocks.due_utc;
  const who = clocks.waits_for === side(view) ? "Your" : clocks.waits_for === "CPO" ? "The CPO's" : "The eMSP's";
  const waits = due ? `${who} word is due by ${local(due, shared.at.zone)}${left(due) ? ` (${left(due)} left)` : " (passed)"}.` : "It has ended.";
  return h("p", { class: "lead" }, badge(word(STATES, dispute.state), tone(dispute.state)), " ", partner ? `${partner.name}. ` : "", waits);
}

/** On which side this person speaks, or null who may only read. */
function side(view) {
  if ("you" in view) return view.you;
  return may("DISPUTE_RESOLVE") ? "CPO" : may("DISPUTE_CREATE") ? "EMSP" : null;
}

function claim(view) {
  const { dispute, session } = view;
  return h("section", { class: "panel" }, h("h3", null, "The claim"),
    facts([
      ["CDR", link(traceOf(dispute.cdr_ref), dispute.cdr_ref)],
      ["Run", link(`/console/review/${encodeURIComponent(dispute.run_id)}`, dispute.run_id)],
      ["Reason", word(REASONS, dispute.reason)],
      ["Claimed", h("strong", null, money(dispute.claimed))],
      ["Billed before", money(dispute.original)],
      ["Billed now", money(session?.net)],
      ["Billed once this is answered, at most", session?.withheld ? money(session.withheld) : null],
      ["Accepted", dispute.accepted ? money(dispute.accepted) : null],
      ["Filed", local(dispute.filed_at_utc, shared.at.zone)],
      ["Escalated", dispute.escalation ? `${local(dispute.escalation.at_utc, shared.at.zone)} to ${dispute.escalation.contacts.join(", ")}` : null],
    ]),
    h("p", { class: "words" }, dispute.text || "No words were given."),
    h("details", null, h("summary", null, "Deadlines"), facts([
      ["eMSP files until", local(view.clocks.emsp_files_until_utc, shared.at.zone)],
      ["eMSP informs until", view.clocks.emsp_informs_until_utc ? local(view.clocks.emsp_informs_until_utc, shared.at.zone) : null],
      ["CPO answers until", local(view.clocks.cpo_answers_until_utc, shared.at.zone)],
    ])));
}

function evidence(at, view) {
  const files = view.evidence;
  const states = { PENDING: "on its way", STORED: "", REFUSED: "not taken" };
  const rows = files.map((file) => h("li", null,
    file.state === "STORED" ? button(file.name, acting(() => download(at, file)), { class: "link" }) : h("span", null, file.name),
    h("small", null, ` ${word(SIDES, file.side)}, ${local(file.at_utc, shared.at.zone)}${file.state === "STORED" ? `, ${file.size} bytes` : `, ${states[file.state] ?? file.state}`}${file.reason ? `: ${file.reason}` : ""}`)));
  const box = h("section", { class: "panel" }, h("h3", null, `Evidence (${files.length})`), rows.length ? h("ul", { class: "files" }, rows) : h("p", { class: "note" }, "No file was given."));
  if (side(view) && PENDING.has(view.dispute.state)) put(box, [attach(at)]);
  return box;
}

async function download(at, file) {
  const told = await get(`disputes/${part(at.id)}/files/${file.number}`);
  location.assign(told.url);
}

function attach(at) {
  const input = h("input", { type: "file", name: "files", multiple: true, accept: FILES, required: true });
  const form = h("form", { class: "stack" }, field("Add files", input, "PDF, PNG, JPG, CSV, TXT, XLSX or ZIP, up to 10 MB each"), h("div", { class: "actions" }, h("button", { type: "submit" }, "Send files")));
  form.addEventListener("submit", acting(async () => {
    await sendFiles(at.id, [...input.files]);
    await moved(at, "The files were sent.");
  }));
  return form;
}

/** Announce and post files one by one, then wait until each was looked at. */
export async function sendFiles(id, files) {
  const numbers = [];
  for (const file of files) {
    const made = await post(`disputes/${part(id)}/files`, { name: file.name });
    await upload(made.form, file);
    numbers.push(count(made.file.number));
  }
  const judged = (view) => view.evidence.filter((file) => numbers.includes(count(file.number))).every((file) => file.state !== "PENDING");
  const view = await until(() => get(`disputes/${part(id)}/view`), judged, { patience: 60_000 });
  if (!view) say("The files have not been looked at yet. They appear here a little later.");
}

function thread(at, view) {
  const own = side(view);
  const entries = view.thread;
  const rows = entries.map((entry) => h("li", { class: entry.side === own ? "mine" : "" },
    h("p", { class: "by" }, h("strong", null, word(SIDES, entry.side)), ` ${entry.by === shared.me.actor_id ? "(you)" : ""} · ${local(entry.at_utc, shared.at.zone)} · ${entry.kind}`),
    h("p", { class: "words" }, entry.text)));
  const box = h("section", { class: "panel" }, h("h3", null, "Thread"), rows.length ? h("ol", { class: "thread" }, rows) : h("p", { class: "note" }, "Nobody has said anything yet."));
  if (!own) return box;
  const key = keys();
  return put(box, [speak("A word to the other side", "Send", async (text) => {
    await post(`disputes/${part(at.id)}/comments`, { text }, key(text));
    await moved(at, "Sent.");
  })]);
}

/** A box for words with one button. */
function speak(label, name, action, properties) {
  const form = h("form", { class: "stack" }, field(label, h("textarea", { name: "text", rows: 3, required: true, minlength: 3, maxlength: 4000, ...properties })), h("div", { class: "actions" }, h("button", { type: "submit" }, name)));
  form.addEventListener("submit", acting(() => action(new FormData(form).get("text"))));
  return form;
}

function actions(at, view) {
  const { dispute } = view;
  const own = side(view);
  if (!own) return [h("h3", null, "Your part"), h("p", null, "You may read this dispute. Your roles do not decide it.")];
  const parts = own === "CPO" ? ofCpo(at, view) : ofEmsp(at, view);
  return [h("h3", null, "Your part"), parts.length ? parts : h("p", null, `This dispute ended as ${word(STATES, dispute.state).toLowerCase()}. Nothing more is to be done.`)];
}

function ofCpo(at, view) {
  const { dispute } = view;
  if (!PENDING.has(dispute.state)) return [];
  const path = `disputes/${part(at.id)}`;
  const take = dispute.assignee === shared.me.actor_id ? null : h("div", { class: "actions" }, button("Take it in hand", acting(async () => {
    await post(`${path}/review`, {});
    await moved(at, "It is in your hand.");
  })));
  const open = dispute.state !== "INFO_REQUESTED";
  return [
    take,
    accept(at, view),
    h("details", null, h("summary", null, "Reject"), speak("Reason; the eMSP reads it", `Reject ${money(dispute.claimed)}`, async (answer) => {
      await post(`${path}/answer`, { outcome: "REJECTED", answer });
      await moved(at, "The claim was rejected.");
    })),
    open ? h("details", null, h("summary", null, "Ask for information"), speak("Question; the eMSP has five working days", "Ask", async (text) => {
      await post(`${path}/info-request`, { text });
      await moved(at, "The eMSP was asked.");
    })) : null,
  ];
}

/** Accept all of the claim or a part, with what will be billed said while one types. */
function accept(at, { dispute, session }) {
  const { currency } = dispute.claimed;
  const withheld = session?.withheld ? minor(session.withheld) : 0n;
  const net = minor(session?.net ?? dispute.original) + withheld;
  const amount = h("input", { name: "amount", inputmode: "decimal", required: true, value: plain(minor(dispute.claimed), currency) });
  const told = h("p", { class: "billed", "aria-live": "polite" });
  const submit = h("button", { type: "submit", class: "main" }, "Accept");
  const look = () => {
    const units = typed(amount.value, currency);
    const fits = units !== null && units > 0n && units <= minor(dispute.claimed);
    amount.setCustomValidity(fits ? "" : `More than 0 and up to ${money(dispute.claimed)}`);
    submit.textContent = fits ? `Accept ${shown(units, currency)}` : "Accept";
    fill(told, fits ? `${shown(net, currency)} − ${shown(units, currency)} = ${shown(net - units, currency)} net will be billed${withheld ? ` in all, ${money(session.net)} of it was` : ""}${units < minor(dispute.claimed) ? ", a part of the claim" : ", the whole claim"}. VAT follows on the document.` : `Give an amount above 0 and up to ${money(dispute.claimed)}.`);
  };
  amount.addEventListener("input", look);
  look();
  const form = h("form", { class: "stack" }, field(`Accept, in ${currency}`, amount), told, field("Words with it (optional)", h("textarea", { name: "answer", rows: 2, maxlength: 4000 })), h("div", { class: "actions" }, submit));
  form.addEventListener("submit", acting(async () => {
    const units = typed(amount.value, currency);
    const whole = units === minor(dispute.claimed);
    const given = { outcome: whole ? "ACCEPTED" : "PARTIAL", answer: new FormData(form).get("answer") };
    if (!whole) given.accepted = { amount_minor: Number(units), currency };
    await post(`disputes/${part(at.id)}/answer`, given);
    await moved(at, "The claim was accepted.");
  }));
  return form;
}

/** Minor units as one types them. */
export function plain(units, currency) {
  return shown(units, currency).replace(` ${currency}`, "").replaceAll(",", "");
}

function ofEmsp(at, view) {
  const { dispute } = view;
  const path = `disputes/${part(at.id)}`;
  const found = [];
  if (dispute.state === "INFO_REQUESTED") {
    const question = view.thread.findLast((entry) => entry.kind === "INFO_REQUESTED");
    if (question) found.push(h("blockquote", { class: "words" }, question.text));
    found.push(speak("The CPO asked: your answer", "Answer", async (text) => {
      await post(`${path}/info`, { text });
      await moved(at, "Your answer was sent.");
    }));
  }
  if (dispute.state === "REJECTED" && !dispute.escalation) found.push(escalate(at));
  if (PENDING.has(dispute.state)) {
    found.push(h("details", null, h("summary", null, "Withdraw"), h("p", null, `The session is then billed with ${money(view.session?.net ?? dispute.original)} net.`),
      h("div", { class: "actions" }, button("Withdraw this dispute", acting(async () => {
        await post(`${path}/withdraw`, {});
        await moved(at, "The dispute was withdrawn.");
      })))));
  }
  return found;
}

function escalate(at) {
  const form = h("form", { class: "stack" }, h("p", null, "A rejection can be taken to commercial contacts once; what follows is final."),
    field("Your contacts, one a line", h("textarea", { name: "contacts", rows: 2, required: true })),
    field("Why", h("textarea", { name: "text", rows: 3, required: true, maxlength: 4000 })),
    h("div", { class: "actions" }, h("button", { type: "submit" }, "Escalate")));
  form.addEventListener("submit", acting(async () => {
    const told = new FormData(form);
    const contacts = told.get("contacts").split("\n").map((each) => each.trim()).filter(Boolean);
    await post(`disputes/${part(at.id)}/escalate`, { contacts, text: told.get("text") });
    await moved(at, "The dispute was escalated.");
  }));
  return form;
}
