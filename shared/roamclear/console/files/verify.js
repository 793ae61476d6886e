// The page that anybody may open: does the list that was locked still hold? Files stay in this browser.

import { acting, badge, facts, field, fill, h } from "./dom.js";
import { shown } from "./exact.js";
import { manifestOf, NoManifest, verify } from "./lockproof.js";

const LISTED = 50;

/** Choose a manifest and CDRs, and see what comes of it. */
export function proofs(main) {
  const answer = h("section", { "aria-live": "polite" });
  const form = h("form", { class: "stack", id: "verify" },
    field("Lock manifest", h("input", { type: "file", name: "manifest", accept: ".json,application/json", required: true }), "The JSON file of the run: Documents, Proof of its lock."),
    field("CDRs", h("input", { type: "file", name: "cdrs", multiple: true, accept: ".json,application/json" }), "One file per CDR, its bytes exactly as they were sent. Without them only the list itself is checked."),
    field("Root printed on the invoice", h("input", { type: "text", name: "root", autocomplete: "off", spellcheck: "false", maxlength: 100 }), "64 characters; blanks do not matter."),
    h("div", { class: "actions" }, h("button", { type: "submit" }, "Check")));
  form.addEventListener("submit", acting(async () => {
    fill(answer, h("p", { class: "note" }, "One moment …"));
    fill(answer, await checked(new FormData(form)));
    answer.scrollIntoView?.({ block: "nearest" });
  }));
  fill(main, h("h1", null, "Check a lock"),
    h("p", { class: "lead" }, "What was locked at the end of a control window is summed up in one root, printed on the invoice and on the session list. Change one byte of one CDR, one price or one amount, and the root is another."),
    h("p", null, "Nothing you choose here leaves your computer."),
    form, answer);
}

async function checked(given) {
  let manifest;
  try {
    manifest = manifestOf(await given.get("manifest").text());
  } catch (error) {
    if (!(error instanceof NoManifest)) throw error;
    return h("p", { class: "fault", role: "alert" }, error.message);
  }
  const files = given.getAll("cdrs").filter((each) => each.size);
  const bodies = [];
  for (const file of files) bodies.push({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
  const found = await verify(manifest, bodies);
  const printed = given.get("root").replace(/\s/g, "").toLowerCase();
  return verdict(manifest, found, printed, files.length > 0);
}

function verdict(manifest, found, printed, hasBodies) {
  const faults = [];
  if (!found.whole) faults.push("The list was changed: its root is not the one it names.");
  if (printed && printed !== found.computed) faults.push("The root on the invoice is another one.");
  if (hasBodies && found.missing.length) faults.push(`${found.missing.length} of ${found.members} sessions have no unchanged CDR among the files.`);
  if (found.unknown.length) faults.push(`${found.unknown.length} file(s) are no CDR of this list, or were changed.`);
  const good = hasBodies ? "The lock holds: the list and every CDR are unchanged." : "The list is unchanged. Choose the CDRs to check them as well.";
  return [
    h("p", { class: "lead" }, badge(faults.length ? "Does not hold" : "Holds", faults.length ? "bad" : "good"), " ", faults.length ? faults.join(" ") : good),
    facts([
      ["Run", manifest.run_id],
      ["Sessions", String(found.members)],
      ["Net of the list", sums([...manifest.members, ...manifest.fees])],
      found.expired.length ? ["Detail given up after its term", `${found.expired.length} of ${found.members}; the digest of each was compared`] : null,
      ["CDRs checked", hasBodies ? `${found.checked} of ${found.members}` : "none"],
      ["Root named", h("code", null, found.root)],
      ["Root worked out", h("code", null, found.computed)],
    ].filter(Boolean)),
    listed("Sessions without their CDR", hasBodies ? found.missing : []),
    listed("Files that are none of the list", found.unknown),
  ];
}

function sums(entries) {
  const totals = new Map();
  for (const each of entries) totals.set(each.currency, (totals.get(each.currency) ?? 0n) + BigInt(String(each.net_minor)));
  return [...totals].map(([currency, units]) => shown(units, currency)).join(" + ") || "0";
}

function listed(title, names) {
  if (!names.length) return null;
  const rest = names.length - LISTED;
  return [h("h2", null, title), h("ul", null, names.slice(0, LISTED).map((name) => h("li", null, h("code", null, name)))), rest > 0 ? h("p", { class: "note" }, `and ${rest} more`) : null];
}
