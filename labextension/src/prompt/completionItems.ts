/** What completes the first line of a prompt cell: options, their values, models. Pure. */

import { OPTIONS } from './options';
import { optionOf, usageOf } from './optionTable';

export type ListedModel = { model: string; host: string };
export type Item = { label: string; type: string; documentation?: string };

/**
 * The completions of a first line, given its text before the cursor. Where nothing is typed yet
 * and the kernel completes too, its list comes alone: it begins with models.
 */
export function completionsOf(before: string, models: Iterable<ListedModel>, kernelCompletes: boolean): { start: number; items: Item[] } {
  const word = before.search(/\S*$/);
  const typed = before.slice(word);
  const previous = optionOf(before.slice(0, word).trimEnd().split(/\s+/).pop()!);
  const [flag, ...rest] = typed.split('=');
  const option = rest.length && optionOf(flag) ? optionOf(flag)! : previous?.value ? previous : null;
  const start = option === previous ? word : word + (rest.length ? flag.length + 1 : 0);
  if (option) {
    return { start, items: matching(option.choices.map(label => ({ label, type: 'choice' })), before.slice(start)) };
  }
  const options = OPTIONS.map(o => ({ label: `--${o.long}`, type: 'option', documentation: `${usageOf(o)}\n\n${o.help}` }));
  if (typed.startsWith('-') || !typed) {
    return { start: word, items: typed || !kernelCompletes ? matching(options, typed) : [] };
  }
  const from = word + typed.lastIndexOf('|') + 1; // behind `|`, the fallback
  return { start: from, items: matching(Array.from(models, m => ({ label: m.model, type: m.host || 'model' })), before.slice(from)) };
}

const matching = (items: Item[], typed: string): Item[] => items.filter(item => item.label.startsWith(typed));
