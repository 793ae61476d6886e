// The JSON API with the person's token; numbers stay exact, problems are errors that can be shown.

import { forget, token } from "./auth.js";
import { read } from "./exact.js";

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

let issuer = null;
let ended = () => {};

export function setIssuer(issuerId) {
  issuer = issuerId;
}

export function onEnded(action) {
  ended = action;
}

/** One request; the answer's body, with its status as `status` where the caller asks for both. */
export async function call(method, path, { query, body, key, withStatus, at = issuer } = {}) {
  const headers = { Authorization: `Bearer ${token()}`, Accept: "application/json" };
  if (at) headers["Roamclear-Issuer"] = at;
  if (key) headers["Idempotency-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = pairs.length ? `?${new URLSearchParams(pairs)}` : "";
  const answer = await sent(`/v1/${path}${search}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const told = parsed(await answer.text(), answer.status);
  if (answer.status === 401) {
    forget();
    ended();
  }
  if (!answer.ok) throw new Problem({ title: "The request failed", code: String(answer.status), ...told });
  return withStatus ? { status: answer.status, told } : told;
}

async function sent(address, request) {
  try {
    return await fetch(address, { ...request, cache: "no-store", credentials: "omit" });
  } catch {
    throw new Problem({ detail: "The service could not be reached. What you entered is still here: try again.", code: "UNREACHABLE" });
  }
}

function parsed(text, status) {
  try {
    return text ? read(text) : {};
  } catch {
    throw new Problem({ detail: "The service answered with something that is no JSON.", code: String(status) });
  }
}

export const get = (path, query) => call("GET", path, { query });
export const post = (path, body, key) => call("POST", path, { body, key });

/** All items of a list in pages, up to so many pages; `whole` says whether that was all. */
export async function everything(path, query, pages = 20) {
  const items = [];
  let cursor;
  for (let page = 0; page < pages; page += 1) {
    const found = await get(path, { ...query, cursor });
    items.push(...found.items);
    cursor = found.next;
    if (!cursor) return { items, whole: true };
  }
  return { items, whole: false };
}

/** Keys for one request that a person may send again: the same words have the same key, others another one. */
export function keys() {
  let last = null;
  return (body) => {
    const said = JSON.stringify(body);
    if (last?.said !== said) last = { said, key: crypto.randomUUID() };
    return last.key;
  };
}

/** A part of a path, as it is sent. */
export const part = (text) => encodeURIComponent(text).replaceAll("%2A", "*");

/** Ask again until something is there; null when patience ends. */
export async function until(ask, ready, { every = 1500, patience = 120_000 } = {}) {
  const end = performance.now() + patience;
  for (;;) {
    const found = await ask();
    if (ready(found)) return found;
    if (performance.now() > end) return null;
    await new Promise((done) => setTimeout(done, every));
  }
}

/** Post a file under a signed form. The store's answer cannot be read from here: the API tells what came. */
export async function upload(form, file) {
  if (BigInt(file.size) > BigInt(String(form.max_bytes))) {
    throw new Problem({ detail: `${file.name} is larger than ${form.max_bytes} bytes.`, code: "TOO_LARGE" });
  }
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, String(value));
  body.append("file", file);
  try {
    await fetch(form.url, { method: "POST", mode: "no-cors", credentials: "omit", body });
  } catch {
    throw new Problem({ detail: `${file.name} could not be sent. Try again.`, code: "UPLOAD_FAILED" });
  }
}

export async function sha256(file) {
  const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
