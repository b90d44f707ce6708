/**
 * The language of prompt cells: Markdown, with a first line of options and Python between double braces.
 *
 * It is JupyterLab's own Markdown, reconfigured: mathematics and fenced code are what they are in
 * Markdown cells, and no language is bundled.
 */

import { HighlightStyle, Language, languageDataProp, syntaxHighlighting, type LanguageSupport } from '@codemirror/language';
import { parseMixed, type Parser } from '@lezer/common';
import { styleTags, Tag, tags } from '@lezer/highlight';
import type { BlockContext, Line, MarkdownConfig, MarkdownParser } from '@lezer/markdown';
import { takesValue } from './optionTable';
import { expressionEnd, isPrompt, wordsOf } from './promptText';

const WORDS = { magic: 'FmMagic', option: 'FmOption', unknown: 'FmUnknown', value: 'FmValue', model: 'FmModel', name: 'FmName' } as const;
const BRACE = 123;

// Tags of our own, in the theme's colors; style/prompt.css gives them more contrast, as they stand on a gray line.
const MAGIC = Tag.define(tags.keyword);
const NAME = Tag.define(tags.variableName);
const MODEL = Tag.define(tags.atom);
const OPTION = Tag.define(tags.propertyName);
const VALUE = Tag.define(tags.string);

export const firstLineColors = syntaxHighlighting(
  HighlightStyle.define([
    { tag: MAGIC, class: 'fmnb-Prompt-magic' },
    { tag: NAME, class: 'fmnb-Prompt-name' },
    { tag: MODEL, class: 'fmnb-Prompt-model' },
    { tag: OPTION, class: 'fmnb-Prompt-option' },
    { tag: VALUE, class: 'fmnb-Prompt-value' }
  ])
);

export function promptLanguage(markdown: LanguageSupport, python: LanguageSupport): Language {
  const parser = (markdown.language.parser as MarkdownParser).configure(grammar(python.language.parser));
  // Markdown's own data, so that Enter continues lists.
  const data = parser.nodeSet.types.find(type => type.isTop)!.prop(languageDataProp)!;
  return new Language(data, parser, [], 'fmnb-prompt');
}

function grammar(python: Parser): MarkdownConfig {
  return {
    // Indented text is text in a prompt, and <document> must not hide the Markdown in it.
    remove: ['IndentedCode', 'HTMLBlock'],
    defineNodes: [{ name: 'FmLine', block: true }, ...[...Object.values(WORDS), 'FmSpace', 'FmExpression'].map(name => ({ name }))],
    props: [styleTags({ FmMagic: MAGIC, FmOption: OPTION, FmValue: VALUE, FmModel: MODEL, FmName: NAME })],
    parseBlock: [{ name: 'FmLine', before: 'FencedCode', parse: parseFirstLine }],
    parseInline: [
      {
        name: 'FmExpression',
        before: 'Escape', // stars and brackets inside are Python's
        parse(cx, next, at) {
          const end = next === BRACE ? expressionEnd(cx.slice(at, cx.end), 0) : -1;
          return end < 0 ? -1 : cx.addElement(cx.elt('FmExpression', at, at + end));
        }
      }
    ],
    wrap: parseMixed(node => (node.name === 'FmExpression' ? { parser: python, overlay: [{ from: node.from + 2, to: node.to - 2 }] } : null))
  };
}

function parseFirstLine(cx: BlockContext, line: Line): boolean {
  if (cx.lineStart !== 0 || !isPrompt(line.text)) {
    return false;
  }
  // Spaces are nodes too: where JupyterLab finds none at the cursor, it completes every word of the cell.
  const nodes = [];
  let at = 0;
  for (const { kind, from, to } of wordsOf(line.text, takesValue)) {
    from > at && nodes.push(cx.elt('FmSpace', at, from));
    nodes.push(cx.elt(WORDS[kind], from, to));
    at = to;
  }
  at < line.text.length && nodes.push(cx.elt('FmSpace', at, line.text.length));
  cx.addElement(cx.elt('FmLine', 0, line.text.length, nodes));
  cx.nextLine();
  return true;
}
