/**
 * What is asked about a cell: the words of a visible `%%fm` cell below it. Pure.
 *
 * `--raw` keeps braces as text, so that nothing of a quoted cell is evaluated; what is too long
 * is cut, and says so.
 */

const MOST = 6000; // characters of one quoted piece

export type Quoted = { source: string; output: string; error: string };

/** Lines between fences that the text itself does not hold. */
export function fenced(text: string, language = ''): string {
  let marks = '```';
  while (text.includes(marks)) {
    marks += '`';
  }
  const cut = text.length > MOST ? `${text.slice(0, MOST)}\n[cut: ${text.length - MOST} more characters]` : text;
  return `${marks}${language}\n${cut.replace(/\n$/, '')}\n${marks}`;
}

export function aboutCell({ source, output }: Quoted): string {
  return cell('Explain what this notebook cell does' + (output ? ', and what its output says' : '') + '.', source, output);
}

export function explainOutput({ source, output }: Quoted): string {
  return cell('Explain this output of a notebook cell to an analyst.', source, output);
}

export function fixError({ source, error }: Quoted): string {
  return cell('This notebook cell fails. Say why in one sentence, then give the corrected cell.', source, error);
}

function cell(question: string, source: string, shown: string): string {
  const parts = ['%%fm --raw', question, '', fenced(source, 'python')];
  if (shown) {
    parts.push('', fenced(shown));
  }
  return parts.join('\n');
}

/** A question put into a cell: its braces are text again if they were text when it was asked. */
export function promptCell(text: string, model = '', system = '', raw = false): string {
  const words = ['%%fm', model && quotedWord(model), system && `-s ${quotedWord(system.replaceAll('\n', ' '))}`, raw && '--raw'];
  return `${words.filter(Boolean).join(' ')}\n${text}`;
}

const quotedWord = (word: string) => (/^[\w@%+=:,./\[\]~^-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

type Output = { output_type: string; text?: string | string[]; data?: Record<string, unknown>; ename?: string; evalue?: string; traceback?: string[] };

/** The text of a cell's outputs, and of its error. Colours of a terminal go. */
export function quote(source: string, outputs: readonly Output[]): Quoted {
  const plain = (text: unknown) =>
    (Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '').replace(/\u001b\[[0-9;]*m/g, '');
  const shown: string[] = [];
  let error = '';
  for (const o of outputs) {
    if (o.output_type === 'error') {
      error = o.traceback?.length ? plain(o.traceback.join('\n')) : `${o.ename}: ${o.evalue}`;
    } else {
      shown.push(plain(o.output_type === 'stream' ? o.text : (o.data?.['text/plain'] ?? o.data?.['text/markdown'])));
    }
  }
  return { source, output: shown.filter(Boolean).join('\n').trim(), error: error.trim() };
}
