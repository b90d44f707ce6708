/**
 * The text of a prompt cell: its first line in words, and where Python stands in the rest. Pure.
 *
 * The other side is fmnb/prompts/template.py, which decides when the cell runs; it asks Python
 * whether an expression ends at a `}}`. Here strings and brackets are counted instead.
 */

export type Mark = { from: number; to: number; kind: 'expression' | 'statement' };
export type Word = { from: number; to: number; kind: 'magic' | 'option' | 'unknown' | 'value' | 'model' | 'name' };

const LONGEST = 10_000; // characters of an expression, so that open brackets do not search a long prompt again and again
const STATEMENT = /\{%[ \t]*(?:for|if|elif|else|endfor|endif)\b[^\n]*?%\}/y;
const HANDLEBARS = /^\s*(?:[#/>!^&@~*\\]|else\b)/;
const GITHUB =
  /\b(?:github|env|vars|jobs?|steps|runner|secrets|strategy|matrix|needs|inputs)\s*[.[]|\b(?:contains|startsWith|endsWith|format|join|toJSON|fromJSON|hashFiles|success|always|cancelled|failure)\s*\(/;
const OBJECT = /^\s*[\w"'$-]+\s*:/; // JSX: style={{color: "red"}}

/** Whether a cell with this first line is a prompt. */
export const isPrompt = (firstLine: string): boolean => /^%%fm(?=\s|$)/.test(firstLine);

/** The marked places of a prompt from an offset on, in order. `{{{{` is text. */
export function marksOf(text: string, from = 0): Mark[] {
  const found: Mark[] = [];
  for (let at = text.indexOf('{', from); at >= 0; at = text.indexOf('{', at)) {
    if (text.startsWith('{{{', at)) {
      at += text.startsWith('{{{{', at) ? 4 : 3;
      continue;
    }
    const statement = text[at + 1] === '%';
    const end = statement ? statementEnd(text, at) : expressionEnd(text, at);
    if (end > 0) {
      found.push({ from: at, to: end, kind: statement ? 'statement' : 'expression' });
    }
    at = end > 0 ? end : at + 1;
  }
  return found;
}

function statementEnd(text: string, at: number): number {
  STATEMENT.lastIndex = at;
  return STATEMENT.test(text) ? STATEMENT.lastIndex : -1;
}

/**
 * The end of the expression whose braces open at `at`, behind `}}`, or -1 where there is none.
 * While a string or a bracket in it is being typed, the first `}}` of the line is the end:
 * otherwise the mark would come and go with each bracket.
 */
export function expressionEnd(text: string, at: number): number {
  if (!text.startsWith('{{', at) || text.startsWith('{{{', at)) {
    return -1;
  }
  const first = text.indexOf('}}', at + 2);
  const content = first < 0 ? '' : text.slice(at + 2, first);
  const before = text[at - 1];
  if (!content.trim() || HANDLEBARS.test(content) || (before === '$' && GITHUB.test(content)) || (before === '=' && OBJECT.test(content))) {
    return -1;
  }
  const whole = balancedEnd(text, at);
  if (whole < 0 && /^\S/.test(content) && /}|{{|\n/.test(content)) {
    return -1; // LaTeX: {{a}{b}}
  }
  const newline = text.indexOf('\n', at);
  const line = newline < 0 ? text.length : newline;
  return first >= line || (whole >= 0 && whole <= line) ? whole : first + 2;
}

/** The end where all strings and brackets are closed, or -1. */
function balancedEnd(text: string, at: number): number {
  let depth = 0;
  for (let i = at + 2; i < Math.min(text.length, at + LONGEST); i++) {
    const c = text[i];
    if (c === '"' || c === "'") {
      i = stringEnd(text, i) - 1;
      if (i < 0) {
        return -1;
      }
    } else if ('([{'.includes(c)) {
      depth++;
    } else if (c === '}' && depth === 0) {
      return text[i + 1] === '}' ? i + 2 : -1;
    } else if (')]}'.includes(c)) {
      depth--;
    }
  }
  return -1;
}

/** The end of the Python string at `at`, or -1 if it is open. */
function stringEnd(text: string, at: number): number {
  const quote = text.startsWith(text[at].repeat(3), at) ? text[at].repeat(3) : text[at];
  for (let i = at + quote.length; i < text.length; i += text[i] === '\\' ? 2 : 1) {
    if (text.startsWith(quote, i)) {
      return i + quote.length;
    }
    if (quote.length === 1 && text[i] === '\n') {
      return -1;
    }
  }
  return -1;
}

/** The words of a first line. `takesValue` is undefined for an option that does not exist. */
export function wordsOf(line: string, takesValue: (flag: string) => boolean | undefined): Word[] {
  const found: Word[] = [];
  let value = false;
  for (const hit of line.matchAll(/(?:[^\s'"]|'[^']*(?:'|$)|"[^"]*(?:"|$))+/g)) {
    const [text] = hit;
    const from = hit.index;
    const to = from + text.length;
    if (!found.length) {
      found.push({ from, to, kind: 'magic' });
    } else if (found.length === 2 && text === '<<') {
      found[1].kind = 'name';
      found.push({ from, to, kind: 'magic' });
    } else if (found.length === 1 && text.endsWith('<<')) {
      found.push({ from, to: to - 2, kind: 'name' }, { from: to - 2, to, kind: 'magic' });
    } else if (/^-./.test(text) && !(value && takesValue(text) === undefined)) {
      const equals = text.startsWith('--') ? text.indexOf('=') : -1;
      const end = equals < 0 ? to : from + equals;
      const takes = takesValue(line.slice(from, end));
      found.push({ from, to: end, kind: takes === undefined ? 'unknown' : 'option' });
      if (equals >= 0) {
        found.push({ from: end + 1, to, kind: 'value' });
      }
      value = takes === true && equals < 0;
    } else {
      found.push({ from, to, kind: value ? 'value' : 'model' });
      value = false;
    }
  }
  return found;
}

/**
 * Whether the text before the cursor, whose last character was just typed, is a place where the
 * picker opens: behind `{{`, in the first name after it, and behind a dot in an expression.
 */
export const opensPicker = (before: string): boolean =>
  /(?:^|[^{])\{\{ ?(?:[^\W\d]\w{0,2})?$/.test(before) || /(?:^|[^{])\{\{(?![{#/>!^&@~*\\])(?:[^{}]*[^\w\])\s.{}])?\s*[^\W\d]\w*\.$/.test(before);
