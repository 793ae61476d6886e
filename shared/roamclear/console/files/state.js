// What every page shares: the stage's settings, who is signed in, and at which issuer.

import { setIssuer } from "./api.js";

export const shared = { config: null, me: null, at: null };

export function may(right) {
  return shared.at?.rights.includes(right) ?? false;
}

/** Whether the person belongs to the issuer's own staff, not to a partner of it. */
export function isStaff() {
  return shared.at?.roles.some((role) => !["EMSP_USER", "SUB_CPO_USER", "API_PARTNER"].includes(role)) ?? false;
}

/** Marks of a reviewer stay on this device: they are no statement to anybody. */
export function marks(runId) {
  const name = `console.checked.${shared.at.issuer_id}.${runId}`;
  const kept = new Set(JSON.parse(localStorage.getItem(name) ?? "[]"));
  return {
    has: (ref) => kept.has(ref),
    set: (ref, on) => {
      if (on) kept.add(ref);
      else kept.delete(ref);
      localStorage.setItem(name, JSON.stringify([...kept]));
    },
  };
}

/** Work at one issuer from now on, in its colours. */
export function enter(issuerId) {
  shared.at = shared.me.items.find((each) => each.issuer_id === issuerId) ?? shared.me.items[0];
  setIssuer(shared.at.issuer_id);
  sessionStorage.setItem("console.issuer", shared.at.issuer_id);
  for (const name of ["primary", "accent"]) {
    const colour = shared.at[name];
    if (!/^#[0-9a-f]{6}$/i.test(colour ?? "")) continue;
    const dark = luminance(colour) < 0.4;
    document.documentElement.style.setProperty(`--${name}`, colour);
    document.documentElement.style.setProperty(`--on-${name}`, dark ? "#fff" : "#14202b");
    // A pale colour is no colour for words on white.
    document.documentElement.style.setProperty(`--${name}-text`, luminance(colour) < 0.18 ? colour : "#1d3b53");
  }
}

function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
