// Building pages. Whatever comes from the API becomes a text node or a checked attribute, never markup.

/** An element; children are elements or texts. Properties beginning with "on" are listeners. */
export function h(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "indeterminate") made[name] = value;
    else made.setAttribute(name, name === "href" ? address(value) : value === true ? "" : String(value));
  }
  put(made, children);
  return made;
}

/** Add children; lists are flattened, nothing is skipped silently but what is not there. */
export function put(parent, children) {
  for (const each of [children].flat(Infinity)) {
    if (each === undefined || each === null || each === false) continue;
    parent.append(each instanceof Node ? each : document.createTextNode(String(each)));
  }
  return parent;
}

/** The children of an element, replaced; the focus stays on what is the same link, box or field as before. */
export function fill(parent, ...children) {
  const before = parent.contains(document.activeElement) ? document.activeElement : null;
  const names = ["href", "aria-label", "name"].filter((name) => before?.hasAttribute?.(name));
  parent.replaceChildren();
  put(parent, children);
  const same = names.length ? names.map((name) => `[${name}="${CSS.escape(before.getAttribute(name))}"]`).join("") : null;
  if (same) parent.querySelector(same)?.focus();
  return parent;
}

function address(value) {
  const text = String(value);
  if (text.startsWith("/console") || text.startsWith("#") || text.startsWith("?") || /^https?:\/\//.test(text)) return text;
  throw new Error("an address that is none of ours");
}

export function button(label, onclick, properties) {
  return h("button", { type: "button", onclick, ...properties }, label);
}

/** A page of this console with its query; empty values are left out. */
export function to(path, query) {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(pairs).toString();
  return `/console/${path}${search ? `?${search}` : ""}`;
}

export function link(href, ...children) {
  return h("a", { href }, ...children);
}

/** The trace of a CDR, found by its reference. */
export function traceOf(cdrRef) {
  return `/console/cdrs/${encodeURIComponent(cdrRef).replaceAll("%2A", "*")}`;
}

export function badge(text, kind) {
  return h("span", { class: `badge ${kind ?? ""}` }, text);
}

/** Terms and what stands for them; pairs without a value are left out. */
export function facts(pairs) {
  const kept = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return h("dl", { class: "facts" }, kept.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** What stands where there is nothing: why, and what to do. */
export function empty(title, ...advice) {
  return h("div", { class: "empty" }, h("p", { class: "lead" }, title), h("p", null, ...advice));
}

/** Say something to everybody, screen readers included. */
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  place.append(document.createTextNode(text));
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (place.textContent = ""), 8000);
}

/** What went wrong, where it can be read. */
export function fault(error) {
  const told = error.problem;
  const words = told ? `${told.detail ?? told.title} (${told.code})` : "Something went wrong in this page. Load it again.";
  if (!told) console.error(error);
  return h("p", { class: "fault", role: "alert" }, words);
}

/** Run an action once at a time: its button waits, and a fault is shown beside it. */
export function acting(action) {
  return async (event) => {
    event.preventDefault();
    const place = event.currentTarget.closest("form, .actions, header, dialog") ?? event.currentTarget.parentElement;
    const buttons = [...place.querySelectorAll("button")].filter((each) => !each.disabled);
    place.querySelector(":scope > .fault")?.remove();
    buttons.forEach((each) => (each.disabled = true));
    place.setAttribute("aria-busy", "true");
    try {
      await action();
    } catch (error) {
      place.append(fault(error));
    } finally {
      buttons.forEach((each) => (each.disabled = false));
      place.removeAttribute("aria-busy");
    }
  };
}

/** A table. Columns: {name, cell, sort?, number?}; `order` is {by, down, choose}; names become labels on a phone. */
export function table(columns, rows, { order, caption, mark } = {}) {
  const head = columns.map((column) => {
    const sorted = order && order.by === column.key;
    const label = column.sort ? button(`${column.name}${sorted ? (order.down ? " ▾" : " ▴") : " ↕"}`, () => order.choose(column.key), { class: "sort" }) : column.head ?? column.name;
    const aria = sorted ? (order.down ? "descending" : "ascending") : undefined;
    return h("th", { scope: "col", class: column.number ? "number" : undefined, "aria-sort": aria }, label);
  });
  const body = rows.map((row) =>
    h("tr", { class: mark?.(row) }, columns.map((column) => h("td", { class: column.number ? "number" : undefined, "data-label": column.name }, column.cell(row)))));
  return h("div", { class: "scroll" }, h("table", null, h("caption", null, caption ?? ""), h("thead", null, h("tr", null, head)), h("tbody", null, body)));
}

/** Rows in the order of a column; texts, numbers and whole minor units compare as what they are. */
export function sorted(rows, column, down) {
  if (!column?.sort) return rows;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const ranked = rows.map((row, place) => [column.sort(row), place, row]);
  ranked.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]) || a[1] - b[1]);
  return ranked.map((each) => each[2]);
}

/** A labelled field of a form. */
export function field(label, control, hint) {
  return h("label", { class: "field" }, h("span", null, label), control, hint ? h("small", null, hint) : null);
}

export function select(name, options, value) {
  return h("select", { name }, options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value ?? "") }, text)));
}

/** A dialog over the page: Escape closes it and the focus goes back. Answers with the close function. */
export function dialog(title, content, { kind, onclose } = {}) {
  const heading = h("h2", { id: `dialog-${dialog.number = (dialog.number ?? 0) + 1}`, tabindex: "-1" }, title);
  const close = () => made.close();
  const bar = h("div", { class: "dialog-bar" }, heading, button("Close", close, { class: "quiet" }));
  const made = h("dialog", { class: kind ?? "small", "aria-labelledby": heading.id }, bar, content);
  const opener = document.activeElement;
  made.addEventListener("close", () => {
    made.remove();
    onclose?.();
    if (opener?.isConnected) opener.focus();
  });
  document.body.append(made);
  made.showModal();
  heading.focus();
  return close;
}

/** Ask before something that counts; `controls` are fields whose form is handed to `action`. */
export function ask(title, { text, controls, label, action }) {
  const form = h("form", { class: "stack" }, h("p", { class: "lead" }, text), controls, h("div", { class: "actions" }, h("button", { type: "submit" }, label)));
  form.addEventListener("submit", acting(async () => {
    await action(new FormData(form));
    close();
  }));
  const close = dialog(title, form);
  form.querySelector("textarea, input, button")?.focus();
}
