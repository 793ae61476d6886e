// Instants of the API as people read them: always with their zone, never by the browser's own clock.

let ahead = 0;

/** Take over the clock of the API; deadlines are counted from it. */
export function setClock(nowUtc) {
  ahead = parse(nowUtc) - performance.now();
}

export function now() {
  return performance.now() + ahead;
}

export function parse(instant) {
  // Fractions beyond milliseconds are more than a date of the browser holds.
  return Date.parse(instant.replace(/(\.\d{3})\d+/, "$1"));
}

/** 5 Oct 2026, 14:00 CEST; in UTC where the zone is not known. */
export function local(instant, zone) {
  if (!instant) return "–";
  const options = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
  try {
    return format(instant, { ...options, timeZone: zone || "UTC", timeZoneName: "short" });
  } catch {
    return format(instant, { ...options, timeZone: "UTC", timeZoneName: "short" });
  }
}

/** The same without the year, for lists of moments of one session. */
export function brief(instant, zone) {
  return local(instant, zone).replace(/ \d{4},/, ",");
}

function format(instant, options) {
  return new Intl.DateTimeFormat("en-GB", { ...options, hourCycle: "h23" }).format(new Date(parse(instant)));
}

/** How long from one instant to another: 1 h 05 min. */
export function duration(start, stop) {
  const minutes = Math.round((parse(stop) - parse(start)) / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** What is left until an instant, or null once it has passed. */
export function left(instant) {
  const ms = parse(instant) - now();
  if (ms <= 0) return null;
  const minutes = Math.floor(ms / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes % 60} min` : `${Math.max(minutes, 1)} min`;
}

/** Whole days since an instant. */
export function daysSince(instant) {
  return Math.max(0, Math.floor((now() - parse(instant)) / 86_400_000));
}

/** The instant so many days from now, as the API writes it. */
export function inDays(days) {
  return new Date(now() + days * 86_400_000).toISOString();
}
