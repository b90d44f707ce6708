/** Names of models: validation of notebook metadata, the first line of cells, and whether a model can be used here. Pure. */

import { isReady } from './filters';
import type { Entry } from './types';

/** Why a value in a notebook's metadata is not a valid model name; "" if it is valid. URLs and keys are never read from a notebook. */
export function invalidReason(value: unknown): string {
  if (value === undefined || value === '') {
    return '';
  }
  const invalid = typeof value !== 'string' || value.length > 300 || value.includes('://') || value.trim() !== value || /[\u0000-\u001f\u007f]/.test(value);
  return invalid ? 'The notebook metadata has an invalid model name. Choose a model to replace it.' : '';
}

/** An argument for the first line of a cell, with shell quotes if it needs them. */
export function shellQuoted(name: string): string {
  return /^[\w@%+=:,./\[\]~^-]+$/.test(name) ? name : `'${name.replaceAll("'", `'"'"'`)}'`;
}

/** The name without its provider, folders, version and file type. Same as fmnb/views/model_name.py; a test compares the two. */
export function shortName(name: string): string {
  const at = name.indexOf(':');
  const provider = at < 0 ? '' : name.slice(0, at);
  let rest = name.slice(at + 1);
  if (provider === 'echo' || (at >= 0 && (!rest || (['embedded', 'minilm'].includes(rest) && !['gguf', 'torch', 'vectors', 'diffusers'].includes(provider))))) {
    return name;
  }
  if (['hf', 'pypi', 'path'].includes(provider)) {
    rest = rest.replace(/(==|@)[^/]*$/, '');
  }
  const last = (/[/\\]/.test(provider) ? name : rest).replace(/[/\\]+$/, '').split(/[/\\]/).pop()!;
  return last.replace(/\.gguf$/, '') || name;
}

/** A cell for these models. */
export const cellOf = (names: readonly string[], prompt = '') => `%%fm ${names.map(shellQuoted).join(' ')}\n${prompt}`;

/** The prompt of a `%%fm` cell; undefined for any other cell. */
export function promptOf(source: string): string | undefined {
  const [first, ...rest] = source.trimStart().split('\n');
  return /^%%fm(\s|$)/.test(first) ? rest.join('\n') : undefined;
}

/** Whether a model can be used here: its entry, and the next step before it can answer ("" if none). */
export type Availability = { entry?: Entry; hint: string; locked: boolean };

/** `searched`: the server was searched for this name, so a name without an entry is unknown. */
export function availabilityOf(name: string, entries: ReadonlyMap<string, Entry>, searched: boolean): Availability {
  const entry = entries.get(name);
  if (entry) {
    return { entry, ...readiness(entry) };
  }
  const [scheme] = name.split(':');
  if (name.includes(':')) {
    if (['hf', 'pypi'].includes(scheme)) {
      return { hint: `%fm pull ${shellQuoted(name)}`, locked: false };
    }
    for (const e of entries.values()) {
      if (e.provider === scheme && e.model.startsWith(`${scheme}:`)) {
        return readiness(e); // a service may have models that it does not list
      }
    }
  }
  return { hint: searched ? 'This model is unknown here. Choose another one, or define the alias.' : '', locked: false };
}

function readiness(e: Entry): { hint: string; locked: boolean } {
  const locked = e.ready === 'locked';
  return { hint: isReady(e) ? '' : locked ? e.note : e.ready, locked };
}
