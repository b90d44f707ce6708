/**
 * Columns that replace the dot before them: behind `df.`, the kernel offers `df["unit price"]`. Pure.
 *
 * JupyterLab filters a list by what was typed since its start. The list starts behind the dot, so
 * that a name filters; `staleDot` tells which text is to be deleted once such a column is inserted.
 */

type Item = { label: string; insertText?: string; type?: string };

/** The completions at `start`, behind the dot of `prefix`, that begin with it or replace it. */
export type Offer = { start: number; prefix: string; texts: string[] };

/** The kernel's items from `start` to the cursor, moved behind the dot; null where none replaces it. */
export function behindDot<T extends Item>(items: T[], typed: string, start: number): { items: T[]; offer: Offer } | null {
  const prefix = typed.slice(0, typed.indexOf('.') + 1);
  const texts = items.map(item => item.insertText ?? item.label);
  if (!prefix || texts.every(text => text.startsWith(prefix))) {
    return null;
  }
  const moved = items.map((item, i) => {
    const text = texts[i].startsWith(prefix) ? texts[i].slice(prefix.length) : texts[i];
    return { ...item, label: text, insertText: text };
  });
  return { items: moved, offer: { start: start + prefix.length, prefix, texts } };
}

/**
 * The range to delete after `inserted` replaced text at `at`, behind the text `before`; null if
 * that was no column of the offer. JupyterLab may insert the beginning that columns share first.
 */
export function staleDot({ start, prefix, texts }: Offer, at: number, inserted: string, before: string): { from: number; to: number } | null {
  const bracket = `${prefix.slice(0, -1)}[`;
  const whole = [prefix, bracket];
  const fits = at === start && whole.some(s => inserted.startsWith(s)) && whole.some(s => before.endsWith(s)) && texts.some(t => t.startsWith(inserted));
  return fits ? { from: start - prefix.length, to: start } : null;
}
