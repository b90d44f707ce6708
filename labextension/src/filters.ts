/** Search filters: local, free, vision, <4GB, >100k, or any text. Same as fmnb/catalog/filters.py; a test compares the two. */

import type { Entry } from './types';

export type Matcher = (entry: Entry) => boolean;

const NAMED_FILTERS: Record<string, Matcher> = {
  local: e => e.local,
  hosted: e => !e.local,
  ready: e => isReady(e),
  loaded: e => e.ready === 'loaded',
  free: e => e.price_in === 0 && e.price_out === 0,
  vision: e => e.inputs.includes('image'),
  image: e => e.outputs.includes('image'),
  video: e => e.outputs.includes('video'),
  embed: e => e.outputs.includes('vector'),
  chat: e => e.outputs.includes('text') && e.chat,
  base: e => e.outputs.includes('text') && !e.chat
};
NAMED_FILTERS.images = NAMED_FILTERS.image;
NAMED_FILTERS.embedding = NAMED_FILTERS.embeddings = NAMED_FILTERS.embed;

const SIZE = /^([<>]=?)(\d+(?:\.\d+)?)([kmg])(b?)$/;
const MULTIPLIERS: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9 };

export const isReady = (e: Entry) => e.ready === 'yes' || e.ready === 'loaded';

/** One matcher per term; an entry must satisfy all. */
export function matchers(query: string): Matcher[] {
  return split(query).map(matcherFor);
}

/** The terms that are not filters: parts of names, licenses, providers. */
export function searchTerms(query: string): string[] {
  return split(query).filter(w => !Object.hasOwn(NAMED_FILTERS, w) && !SIZE.test(w));
}

const split = (query: string) => query.toLowerCase().split(/\s+/).filter(Boolean);

function matcherFor(term: string): Matcher {
  if (Object.hasOwn(NAMED_FILTERS, term)) {
    return NAMED_FILTERS[term];
  }
  const size = SIZE.exec(term);
  if (!size) {
    return e => searchText(e).includes(term);
  }
  const [, sign, number, unit, bytes] = size;
  const bound = Number(number) * MULTIPLIERS[unit];
  return e => {
    const value = bytes ? e.size : e.context;
    if (value === null) {
      return false; // unknown does not match
    }
    return sign === '<' ? value < bound : sign === '<=' ? value <= bound : sign === '>' ? value > bound : value >= bound;
  };
}

const cache = new WeakMap<Entry, string>();

/** The searchable text of an entry. */
function searchText(e: Entry): string {
  let text = cache.get(e);
  if (text === undefined) {
    text = [e.model, e.provider, e.ready, e.host, e.license, e.note, ...e.inputs, ...e.outputs].join(' ').toLowerCase();
    cache.set(e, text);
  }
  return text;
}
