// Signing in: authorization code with PKCE (RFC 7636) at the hosted page; the token lives in this tab only.

const TOKEN = "console.token";
const PENDING = "console.sign-in";

/** The token of this tab, or null where there is none or it is over. */
export function token() {
  const kept = JSON.parse(sessionStorage.getItem(TOKEN) ?? "null");
  return kept && (kept.until === null || kept.until > Date.now()) ? kept.token : null;
}

export function keep(text, seconds) {
  sessionStorage.setItem(TOKEN, JSON.stringify({ token: text, until: seconds ? Date.now() + seconds * 1000 : null }));
}

export function forget() {
  sessionStorage.removeItem(TOKEN);
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function back() {
  return `${location.origin}/console/callback`;
}

/** Send the browser to the hosted page; it comes back to /console/callback. */
export async function begin(config) {
  const pending = { state: random(), verifier: random(), page: location.pathname + location.search };
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(pending.verifier));
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const query = new URLSearchParams({
    response_type: "code",
    client_id: config.client_id,
    redirect_uri: back(),
    scope: "openid email",
    state: pending.state,
    code_challenge_method: "S256",
    code_challenge: base64url(new Uint8Array(hash)),
  });
  location.assign(`${config.sign_in}/oauth2/authorize?${query}`);
}

/** Exchange the code of the hosted page for a token; gives the page that was asked for. */
export async function finish(config) {
  const told = new URLSearchParams(location.search);
  // The code is gone from the address before anything else happens; it is of no use twice.
  history.replaceState(null, "", "/console");
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  if (!pending || !told.get("code") || told.get("state") !== pending.state) throw new Error("this sign-in was not begun here");
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    client_id: config.client_id,
    code: told.get("code"),
    code_verifier: pending.verifier,
    redirect_uri: back(),
  });
  const answer = await fetch(`${config.sign_in}/oauth2/token`, { method: "POST", body });
  if (!answer.ok) throw new Error("the sign-in was refused");
  const made = await answer.json();
  keep(made.access_token, made.expires_in);
  return pending.page.startsWith("/console") && !pending.page.startsWith("/console/callback") ? pending.page : "/console";
}

export function end(config) {
  forget();
  const query = new URLSearchParams({ client_id: config.client_id, logout_uri: `${location.origin}/console` });
  location.assign(config.sign_in ? `${config.sign_in}/logout?${query}` : "/console");
}
