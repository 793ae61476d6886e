// Whether a lock still holds, worked out in this browser: the rule of the manifest of a run, nothing is sent anywhere.
//
// The root is a SHA-256 Merkle root over the contract versions that priced the list, its members and its fees, in that
// order. A leaf is SHA-256 of a zero byte and a JSON text with sorted names; a knot is SHA-256 of a one byte and its two
// children; an odd one is carried up.

import { Exact, read } from "./exact.js";

const FORMAT = "roamclear-lock-1";
const encoder = new TextEncoder();

/** What is wrong with a file that should be a manifest. */
export class NoManifest extends Error {}

/** SHA-256 of bytes. */
export async function sha256(...parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined));
}

export function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Values as the JSON text that was hashed: names sorted, numbers digit for digit, nothing between. */
export function canonical(value) {
  if (value instanceof Exact) return value.text;
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const names = Object.keys(value).sort(byCharacter);
  return `{${names.map((name) => `${canonical(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** Texts in the order of their characters, not of their UTF-16 halves. */
function byCharacter(a, b) {
  const [left, right] = [[...a], [...b]];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const gap = left[at].codePointAt(0) - right[at].codePointAt(0);
    if (gap) return gap;
  }
  return left.length - right.length;
}

/** A manifest from its text. */
export function manifestOf(text) {
  let value;
  try {
    value = read(text.replace(/^\uFEFF/, ""));
  } catch {
    throw new NoManifest("This file is no JSON text.");
  }
  if (value?.format !== FORMAT) throw new NoManifest("This file is no lock manifest: its format is not named.");
  const isDigest = (each) => /^[0-9a-f]{64}$/.test(each ?? "");
  if (!isDigest(value.root)) throw new NoManifest("This file is no lock manifest: it has no root.");
  if (!Array.isArray(value.members) || !value.members.every((each) => isDigest(each?.sha256)))
    throw new NoManifest("This file is no lock manifest: a member has no digest.");
  if (!value.terms || !Object.values(value.terms).every(isDigest))
    throw new NoManifest("This file is no lock manifest: a contract version has no digest.");
  return { fees: [], ...value };
}

/** The root over what a manifest lists. */
export async function rootOf(manifest) {
  const versions = Object.entries(manifest.terms).sort((a, b) => Number(BigInt(a[0]) - BigInt(b[0])));
  const leaves = [];
  for (const [version, digest] of versions) leaves.push(await leaf("terms", { version, sha256: digest }));
  for (const member of manifest.members) leaves.push(await leaf("member", member));
  for (const fee of manifest.fees) leaves.push(await leaf("fee", fee));
  return hex(await merkle(leaves));
}

function leaf(kind, value) {
  return sha256(Uint8Array.of(0), encoder.encode(canonical({ kind, ...value })));
}

async function merkle(leaves) {
  let level = leaves;
  if (!level.length) return sha256(new Uint8Array());
  while (level.length > 1) {
    const next = [];
    for (let at = 0; at < level.length; at += 2)
      next.push(at + 1 < level.length ? await sha256(Uint8Array.of(1), level[at], level[at + 1]) : level[at]);
    level = next;
  }
  return level[0];
}

/** What is left of a CDR whose detail was given up after its term: the digest of the bytes that came, and when. */
function expiredOf(bytes) {
  const text = new TextDecoder().decode(bytes);
  if (!text.includes("roamclear_detail")) return null;
  try {
    const value = read(text);
    return value?.roamclear_detail === "EXPIRED" && value.sha256 ? value : null;
  } catch {
    return null;
  }
}

/** What checking came to: `bodies` are {name, bytes} of CDRs as they were received, or what is left of them. */
export async function verify(manifest, bodies) {
  const computed = await rootOf(manifest);
  const wanted = new Map(manifest.members.map((each) => [each.sha256, each.cdr_ref]));
  const given = new Set();
  const unknown = [];
  const left = new Map();
  for (const body of bodies) {
    const gone = expiredOf(body.bytes);
    if (gone && wanted.has(gone.sha256)) {
      left.set(gone.sha256, { cdr_ref: gone.cdr_ref, expired_at: gone.expired_at });
      continue;
    }
    const digest = hex(await sha256(body.bytes));
    if (wanted.has(digest)) given.add(digest);
    else unknown.push(body.name);
  }
  const missing = [...wanted].filter(([digest]) => !given.has(digest) && !left.has(digest)).map(([, ref]) => ref);
  const expired = [...left].filter(([digest]) => !given.has(digest)).map(([, each]) => each);
  return { root: manifest.root, computed, whole: computed === manifest.root, members: manifest.members.length, checked: given.size, missing, unknown, expired };
}
