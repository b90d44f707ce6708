/** Numbers and times as text. Pure. */

const SUFFIXES = ['', 'k', 'M', 'G', 'T'];

/** 98_362_432 -> "98 MB". */
export const bytes = (n: number) => `${short(n)}B`.replace(/k?[A-Z]+$/, unit => `\u00a0${unit}`);

/** 131_072 -> "131k". */
export const count = (n: number) => short(n);

function short(n: number): string {
  let at = 0;
  while (n >= 999.5 && at < SUFFIXES.length - 1) {
    n /= 1000;
    at++;
  }
  return `${n < 9.95 && at ? n.toFixed(1).replace(/\.0$/, '') : Math.round(n)}${SUFFIXES[at]}`;
}

/** Dollars with a sensible number of decimals. */
export function dollars(n: number): string {
  if (n !== 0 && n < 0.01) {
    return `$${Number(n.toPrecision(2))}`;
  }
  return `$${Number.isInteger(n) || n >= 100 ? Math.round(n) : n.toFixed(2)}`;
}

/** How long ago a moment was; `now` and `then` in seconds. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, now - then);
  for (const [size, name] of [
    [86400 * 2, 'day'],
    [3600 * 2, 'hour'],
    [120, 'minute']
  ] as const) {
    if (seconds >= size) {
      return `${Math.floor(seconds / (name === 'day' ? 86400 : name === 'hour' ? 3600 : 60))} ${name}s ago`;
    }
  }
  return seconds < 60 ? 'just now' : 'a minute ago';
}
