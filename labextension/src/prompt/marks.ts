/**
 * Decorations of a prompt cell: its first line, unknown options, and what is inserted.
 *
 * They are found in the text, not in the syntax tree, so they are right in the transaction that
 * changes it, also in fenced code.
 */

import { StateField, Prec, type EditorState, type Extension, type Text } from '@codemirror/state';
import { Decoration, EditorView, type DecorationSet } from '@codemirror/view';
import { takesValue } from './optionTable';
import { marksOf, wordsOf, type Mark } from './promptText';

type Marks = { places: Mark[]; decorations: DecorationSet };

const firstLine = Decoration.line({ class: 'fmnb-Prompt-line', attributes: { spellcheck: 'false' } });
const unknown = Decoration.mark({ class: 'fmnb-Prompt-unknown' }); // themes have no color for errors
const mark = {
  expression: Decoration.mark({ class: 'fmnb-Prompt-expression', attributes: { spellcheck: 'false' } }),
  statement: Decoration.mark({ class: 'fmnb-Prompt-statement', attributes: { spellcheck: 'false' } })
};

const field = StateField.define<Marks>({
  create: state => find(state.doc),
  update: (marks, tr) => (tr.docChanged ? find(tr.newDoc) : marks),
  // Lowest: marks go around highlighted tokens, so each expression is one box.
  provide: f => Prec.lowest(EditorView.decorations.from(f, marks => marks.decorations))
});

function find(doc: Text): Marks {
  const { to, text } = doc.line(1);
  const words = wordsOf(text, takesValue);
  const raw = words.some(w => w.kind === 'option' && text.slice(w.from, w.to) === '--raw');
  const places = raw ? [] : marksOf(doc.toString(), to);
  const decorations = Decoration.set([
    firstLine.range(0),
    ...words.filter(w => w.kind === 'unknown').map(w => unknown.range(w.from, w.to)),
    ...places.map(p => mark[p.kind].range(p.from, p.to))
  ]);
  return { places, decorations };
}

/** Whether the cursor is in prose, with text before it on its line: there Tab indents. */
function inProse(state: EditorState): boolean {
  const { from, empty } = state.selection.main;
  const line = state.doc.lineAt(from);
  const before = state.sliceDoc(line.from, from);
  const marked = state.field(field).places.some(p => p.from < from && from < p.to);
  const open = before.lastIndexOf('{{') > before.lastIndexOf('}}'); // an expression that is being typed
  return empty && line.number > 1 && before.trim() !== '' && !marked && !open;
}

/** The class is for a keyboard shortcut: JupyterLab asks the editor about a key first, Notebook 7 its shortcuts. */
const classes = EditorView.editorAttributes.compute(['doc', 'selection', field], state => ({
  class: inProse(state) ? 'fmnb-Prompt fmnb-Prompt-prose' : 'fmnb-Prompt'
}));

export const promptMarks: Extension = [field, classes];
