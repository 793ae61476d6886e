// The frame of the pages: who is signed in, where one can go, and which page an address is.

import { get, onEnded } from "./api.js";
import { begin, end, finish, keep, token } from "./auth.js";
import { claims } from "./claims.js";
import { disputes } from "./disputes.js";
import { documents } from "./documents.js";
import { button, empty, fault, field, fill, h, link, say, select } from "./dom.js";
import { review, runs } from "./review.js";
import { enter, isStaff, may, shared } from "./state.js";
import { setClock } from "./times.js";
import { trace } from "./trace.js";
import { proofs } from "./verify.js";

const PAGES = [
  [/^disputes(?:\/([^/]+))?$/, disputes, "Disputes"],
  [/^review$/, runs, "Review"],
  [/^review\/([^/]+)$/, review, "Review"],
  [/^claims(?:\/([^/]+))?$/, claims, "My disputes"],
  [/^documents(?:\/([^/]+))?$/, documents, "Documents"],
  [/^cdrs\/([^/]+)$/, trace, "CDR"],
];
const main = document.getElementById("main");
let shownPath = null;
let turn = 0;

/** Go to an address of this console; the page keeps itself where only its query or drawer changes. */
export function go(address, { replace } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  return show();
}

async function show() {
  document.querySelectorAll("dialog").forEach((each) => each.close());
  const path = here();
  if (path === "verify") return anybody();
  if (!shared.me) return start();
  if (path === "" && home()) return go(home(), { replace: true });
  const [page, title, id] = found(path);
  frame(path);
  const mine = (turn += 1);
  // What was asked for before and comes later is not shown over what was asked for last.
  const still = () => mine === turn;
  if (path === "") return fill(main, h("h1", null, "Nothing here yet"), empty("These pages have nothing for your roles.", "A link to a CDR opens all the same."));
  if (!page) return fill(main, h("h1", null, "There is no such page"), empty("The address leads nowhere.", link("/console", "Go to the start")));
  const name = path.split("/")[0];
  if (shownPath !== name) fill(main, h("h1", null, title), h("p", { class: "note" }, "One moment …"));
  shownPath = name;
  document.title = `${title} · ${shared.at?.name ?? ""}`;
  try {
    await page(main, { id, query: new URLSearchParams(location.search), go, still, reframe: () => frame(path) });
  } catch (error) {
    // Whoever has to sign in again reads that, not the fault of the page behind it.
    if (!shared.me || !still()) return;
    fill(main, h("h1", null, title), fault(error), button("Try again", show));
    shownPath = null;
  }
}

function here() {
  return location.pathname.replace(/^\/console\/?/, "").replace(/\/$/, "");
}

/** The one page that asks nobody who they are. */
function anybody() {
  if (shared.me) frame("verify");
  shownPath = "verify";
  document.title = "Check a lock";
  return proofs(main);
}

function found(path) {
  for (const [pattern, page, title] of PAGES) {
    const match = pattern.exec(path);
    if (match) return [page, title, match[1] === undefined ? null : decodeURIComponent(match[1])];
  }
  return [null, "Not found", null];
}

function home() {
  if (isStaff() && may("DISPUTE_VIEW")) return "/console/disputes";
  return may("RUN_VIEW") ? "/console/review" : null;
}

function frame(path) {
  const top = document.getElementById("top");
  const places = [
    isStaff() && may("DISPUTE_VIEW") ? ["disputes", "Disputes"] : null,
    may("RUN_VIEW") ? ["review", isStaff() ? "Control windows" : "Review"] : null,
    !isStaff() && may("DISPUTE_VIEW") ? ["claims", "My disputes"] : null,
    may("DOCUMENT_VIEW") ? ["documents", "Documents"] : null,
  ].filter(Boolean);
  const at = path.split("/")[0];
  const nav = places.map(([name, text]) => h("a", { href: `/console/${name}`, "aria-current": at === name ? "page" : undefined }, text));
  fill(top, h("span", { class: "brand" }, shared.at?.name ?? ""), h("nav", { "aria-label": "Pages" }, nav), person());
}

function person() {
  const many = shared.me.items.length > 1;
  const names = shared.me.items.map((each) => [each.issuer_id, each.name]);
  const choice = h("div", { class: "issuer" }, select("issuer", names, shared.at.issuer_id));
  choice.firstChild.setAttribute("aria-label", "Issuer");
  choice.addEventListener("change", (event) => {
    enter(event.target.value);
    shownPath = null;
    go("/console");
  });
  return h("div", { class: "person" }, many ? choice : null, h("span", { class: "who" }, shared.me.label ?? ""), button("Sign out", () => end(shared.config), { class: "quiet" }));
}

function signIn(told) {
  const { config } = shared;
  document.getElementById("top").replaceChildren();
  shared.me = null;
  shownPath = null;
  const parts = [];
  if (config.sign_in) parts.push(button("Sign in", () => begin(config), { class: "main" }));
  if (config.paste_token) parts.push(paste());
  fill(main, h("div", { class: "sign-in" }, h("h1", null, "Sign in"), told ? h("p", { class: "lead" }, told) : null, parts, h("p", { class: "note" }, link("/console/verify", "Check a lock"), " without signing in")));
  main.querySelector("button, textarea")?.focus();
}

/** Only where the stage says so: a laptop has no hosted sign-in page. */
function paste() {
  const form = h("form", { class: "stack", id: "paste" },
    field("Token", h("textarea", { name: "token", rows: 4, required: true, autocomplete: "off", spellcheck: "false" }), "One of those that `make up` printed. It stays in this tab."),
    h("div", { class: "actions" }, h("button", { type: "submit" }, "Use this token")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep(new FormData(form).get("token").trim(), null);
    start();
  });
  return form;
}

async function start() {
  try {
    shared.config ??= await (await fetch("/console/config.json", { cache: "no-store" })).json();
    if (location.pathname === "/console/callback") history.replaceState(null, "", await finish(shared.config));
  } catch (error) {
    if (!shared.config) return fill(main, fault(error), button("Try again", start));
    return signIn("The sign-in did not work. Please try once more.");
  }
  if (!token()) return signIn();
  try {
    shared.me = await get("me");
  } catch (error) {
    if (error.problem?.code === "UNREACHABLE") return fill(main, fault(error), button("Try again", start));
    return signIn(error.problem?.detail ?? "The token was not taken.");
  }
  setClock(shared.me.now_utc);
  enter(new URLSearchParams(location.search).get("issuer") ?? sessionStorage.getItem("console.issuer") ?? "");
  return show();
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href^='/console']");
  if (!anchor || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(anchor.getAttribute("href"));
  if (!anchor.closest("main")) main.focus();
});
window.addEventListener("popstate", show);
onEnded(() => {
  document.querySelectorAll("dialog").forEach((each) => each.close());
  signIn("Your sign-in has ended. Sign in again; this page opens where you were.");
  say("Your sign-in has ended.");
});
if (here() === "verify") show();
else start();
