// What every page shares: the stage's settings, who is signed in, and at which issuer.

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
