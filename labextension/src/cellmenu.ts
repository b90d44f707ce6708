/**
 * Prompts about a cell, as the text of a `%%fm` cell below it. Pure.
 *
 * `--raw` keeps braces as text, so that nothing in a quoted cell is evaluated. Long text is
 * truncated with a note.
 */

import { shellQuoted } from './modelNames';

const MAX_CHARS = 6000; // characters of one quoted text

export type CellContents = { source: string; output: string; error: string };
type KeepPart = 'start' | 'both' | 'end';

/** Text in a fenced block whose fence does not occur in it. `keep` is the part of a long text to keep. */
export function fenced(text: string, language = '', keep: KeepPart = 'start'): string {
  const body = truncated(text.replace(/\n$/, ''), keep);
  let fence = '```';
  while (body.includes(fence)) {
    fence += '`';
  }
  return `${fence}${language}\n${body}\n${fence}`;
}

/** The text, or its kept parts with a note about the length of the rest. */
export function truncated(text: string, keep: KeepPart, limit = MAX_CHARS): string {
  if (text.length <= limit) {
    return text;
  }
  const head = { start: limit, both: Math.round(0.7 * limit), end: 0 }[keep];
  const pieces = [text.slice(0, head), `[truncated: ${text.length - limit} more characters]`, head < limit ? text.slice(head - limit) : ''];
  // Drop half of a surrogate pair at either side.
  return pieces.filter(Boolean).map(p => p.replace(/[\ud800-\udbff]$/, '').replace(/^[\udc00-\udfff]/, '')).join('\n');
}

export function aboutCell({ source, output, error }: CellContents): string {
  const shown = [output, error].filter(Boolean).join('\n');
  return cell('Explain what this notebook cell does' + (shown ? ', and what its output says' : '') + '.', source, shown);
}

export function explainOutput({ source, output }: CellContents): string {
  return cell('Explain this output of a notebook cell to an analyst.', source, output);
}

export function fixError({ source, error }: CellContents): string {
  return cell('This notebook cell fails. Say why in one sentence, then give the corrected cell.', source, error, 'end');
}

export function explainError({ source, error }: CellContents): string {
  return cell('This notebook cell fails. Explain in a few plain sentences what went wrong and how to correct it.', source, error, 'end');
}

function cell(question: string, source: string, shown: string, keep: KeepPart = 'both'): string {
  const parts = ['%%fm --raw', question, '', fenced(source, 'python')];
  if (shown) {
    parts.push('', fenced(shown, '', keep));
  }
  return parts.join('\n');
}

/** A prompt as a cell. `raw` keeps its braces as text. */
export function promptCell(text: string, model = '', system = '', raw = false): string {
  const args = ['%%fm', model && shellQuoted(model), system && `-s ${shellQuoted(system.replaceAll('\n', ' '))}`, raw && '--raw'];
  return `${args.filter(Boolean).join(' ')}\n${text}`;
}

type Output = { output_type: string; text?: string | string[]; data?: Record<string, unknown>; ename?: string; evalue?: string; traceback?: string[] };

/** The text of a cell's outputs, and of its error. An image is named, not included. */
export function cellContents(source: string, outputs: readonly Output[]): CellContents {
  const shown: string[] = [];
  let error = '';
  for (const o of outputs) {
    if (o.output_type === 'error') {
      error = plainText(o.traceback?.length ? o.traceback.join('\n') : `${o.ename}: ${o.evalue}`);
    } else if (o.output_type === 'stream') {
      shown.push(plainText(o.text));
    } else {
      const media = Object.keys(o.data ?? {}).find(kind => /^(image|audio|video)\//.test(kind));
      shown.push(media ? `[${media}]` : plainText(o.data?.['text/plain'] ?? o.data?.['text/markdown']));
    }
  }
  return { source, output: shown.filter(Boolean).join('\n').trim(), error: error.trim() };
}

/** Without terminal colors; of a line that was redrawn with \\r, its last state. */
function plainText(text: unknown): string {
  return (Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '')
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/\r+$/gm, '')
    .replace(/^.*\r/gm, '');
}
