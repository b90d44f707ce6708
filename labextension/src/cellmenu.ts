/**
 * What is asked about a cell: the words of a visible `%%fm` cell below it. Pure.
 *
 * `--raw` keeps braces as text, so that nothing of a quoted cell is evaluated; what is too long
 * is cut, and says so.
 */

import { quoted } from './modelNames';

const MOST = 6000; // characters of one quoted piece

export type Quoted = { source: string; output: string; error: string };
type Tells = 'start' | 'both' | 'end';

/** Lines between fences that the text itself does not hold. `tells` is the end of a long text that tells most. */
export function fenced(text: string, language = '', tells: Tells = 'start'): string {
  const cut = shortened(text.replace(/\n$/, ''), tells);
  let marks = '```';
  while (cut.includes(marks)) {
    marks += '`';
  }
  return `${marks}${language}\n${cut}\n${marks}`;
}

/** A piece too long to quote whole, and a note where something was cut out. */
export function shortened(text: string, tells: Tells, most = MOST): string {
  if (text.length <= most) {
    return text;
  }
  const head = { start: most, both: Math.round(0.7 * most), end: 0 }[tells];
  const pieces = [text.slice(0, head), `[cut: ${text.length - most} more characters]`, head < most ? text.slice(head - most) : ''];
  // A cut may leave half a character at either side.
  return pieces.filter(Boolean).map(p => p.replace(/[\ud800-\udbff]$/, '').replace(/^[\udc00-\udfff]/, '')).join('\n');
}

export function aboutCell({ source, output, error }: Quoted): string {
  const shown = [output, error].filter(Boolean).join('\n');
  return cell('Explain what this notebook cell does' + (shown ? ', and what its output says' : '') + '.', source, shown);
}

export function explainOutput({ source, output }: Quoted): string {
  return cell('Explain this output of a notebook cell to an analyst.', source, output);
}

export function fixError({ source, error }: Quoted): string {
  return cell('This notebook cell fails. Say why in one sentence, then give the corrected cell.', source, error, 'end');
}

function cell(question: string, source: string, shown: string, tells: Tells = 'both'): string {
  const parts = ['%%fm --raw', question, '', fenced(source, 'python')];
  if (shown) {
    parts.push('', fenced(shown, '', tells));
  }
  return parts.join('\n');
}

/** A question put into a cell: its braces are text again if they were text when it was asked. */
export function promptCell(text: string, model = '', system = '', raw = false): string {
  const words = ['%%fm', model && quoted(model), system && `-s ${quoted(system.replaceAll('\n', ' '))}`, raw && '--raw'];
  return `${words.filter(Boolean).join(' ')}\n${text}`;
}

type Output = { output_type: string; text?: string | string[]; data?: Record<string, unknown>; ename?: string; evalue?: string; traceback?: string[] };

/** The text of a cell's outputs, and of its error. A picture is named, not sent. */
export function quote(source: string, outputs: readonly Output[]): Quoted {
  const shown: string[] = [];
  let error = '';
  for (const o of outputs) {
    if (o.output_type === 'error') {
      error = plain(o.traceback?.length ? o.traceback.join('\n') : `${o.ename}: ${o.evalue}`);
    } else if (o.output_type === 'stream') {
      shown.push(plain(o.text));
    } else {
      const picture = Object.keys(o.data ?? {}).find(kind => /^(image|audio|video)\//.test(kind));
      shown.push(picture ? `[${picture}]` : plain(o.data?.['text/plain'] ?? o.data?.['text/markdown']));
    }
  }
  return { source, output: shown.filter(Boolean).join('\n').trim(), error: error.trim() };
}

/** Without the colours of a terminal; of a line that was drawn again and again, its last state. */
function plain(text: unknown): string {
  return (Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '')
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/\r+$/gm, '')
    .replace(/^.*\r/gm, '');
}
