/** The words of a search: local, free, vision, <4GB, >100k, or any text. The twin of fmnb/catalog/filters.py; a test holds the two together. */

import type { Entry } from './types';

export type Test = (entry: Entry) => boolean;

const WORDS: Record<string, Test> = {
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
WORDS.images = WORDS.image;
WORDS.embedding = WORDS.embeddings = WORDS.embed;

const SIZE = /^([<>]=?)(\d+(?:\.\d+)?)([kmg])(b?)$/;
const TIMES: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9 };

export const isReady = (e: Entry) => e.ready === 'yes' || e.ready === 'loaded';

/** One question a word; an entry is kept when all are answered with yes. */
export function tests(query: string): Test[] {
  return split(query).map(test);
}

/** The words that are none of ours: parts of names, licenses, providers. */
export function plainWords(query: string): string[] {
  return split(query).filter(w => !Object.hasOwn(WORDS, w) && !SIZE.test(w));
}

const split = (query: string) => query.toLowerCase().split(/\s+/).filter(Boolean);

function test(word: string): Test {
  if (Object.hasOwn(WORDS, word)) {
    return WORDS[word];
  }
  const size = SIZE.exec(word);
  if (!size) {
    return e => wordsOf(e).includes(word);
  }
  const [, sign, number, unit, bytes] = size;
  const bound = Number(number) * TIMES[unit];
  return e => {
    const value = bytes ? e.size : e.context;
    if (value === null) {
      return false; // not known is not small
    }
    return sign === '<' ? value < bound : sign === '<=' ? value <= bound : sign === '>' ? value > bound : value >= bound;
  };
}

const cache = new WeakMap<Entry, string>();

/** Everything in an entry that one may search for. */
function wordsOf(e: Entry): string {
  let words = cache.get(e);
  if (words === undefined) {
    words = [e.model, e.provider, e.ready, e.host, e.license, e.note, ...e.inputs, ...e.outputs].join(' ').toLowerCase();
    cache.set(e, words);
  }
  return words;
}
