/** Names of models: what may stand in a notebook's metadata, what stands on a cell's line, and whether a name can be used here. Pure. */

import { isReady } from './filters';
import type { Entry } from './types';

/** Why a value of a notebook's metadata is no model's name; "" if it may be one. Addresses and keys are never taken from a notebook. */
export function oddity(value: unknown): string {
  if (value === undefined || value === '') {
    return '';
  }
  const odd = typeof value !== 'string' || value.length > 300 || value.includes('://') || value.trim() !== value || /[\u0000-\u001f\u007f]/.test(value);
  return odd ? 'The notebook holds something that is not a model’s name. Choose a model to replace it.' : '';
}

/** A word of a cell's line, quoted as a shell does where it must be. */
export function quoted(name: string): string {
  return /^[\w@%+=:,./\[\]~^-]+$/.test(name) ? name : `'${name.replaceAll("'", `'"'"'`)}'`;
}

/** The first line of a cell that asks these models. */
export const cellOf = (names: readonly string[], prompt = '') => `%%fm ${names.map(quoted).join(' ')}\n${prompt}`;

/** The prompt of a `%%fm` cell; undefined for any other cell. */
export function promptOf(source: string): string | undefined {
  const [first, ...rest] = source.trimStart().split('\n');
  return /^%%fm(\s|$)/.test(first) ? rest.join('\n') : undefined;
}

/** How a name stands on this machine: what is known of it, and what to do before it answers ("" if nothing). */
export type Known = { entry?: Entry; hint: string; locked: boolean };

/** `whole` says that the catalogue was asked for this very name, so that a name it lacks is not known here. */
export function known(name: string, entries: ReadonlyMap<string, Entry>, whole: boolean): Known {
  const entry = entries.get(name);
  if (entry) {
    return { entry, ...standing(entry) };
  }
  const [scheme] = name.split(':');
  if (name.includes(':')) {
    if (['hf', 'pypi'].includes(scheme)) {
      return { hint: `%fm pull ${quoted(name)}`, locked: false };
    }
    for (const e of entries.values()) {
      if (e.provider === scheme && e.model.startsWith(`${scheme}:`)) {
        return standing(e); // a service may have models that no list names
      }
    }
  }
  return { hint: whole ? 'No model of this name is known here: choose another, or define the alias.' : '', locked: false };
}

function standing(e: Entry): { hint: string; locked: boolean } {
  const locked = e.ready === 'locked';
  return { hint: isReady(e) ? '' : locked ? e.note : e.ready, locked };
}
