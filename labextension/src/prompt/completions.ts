/**
 * Completion in prompt cells: options from the table of this page, models from the sidebar's list.
 *
 * The kernel completes too (fmnb/jupyter/magics/complete.py), and JupyterLab merges both: it knows
 * the notebook's names. What is here works without a kernel.
 */

import { EditorView } from '@codemirror/view';
import type { CompletionHandler, ICompletionContext, ICompletionProvider } from '@jupyterlab/completer';
import { Text } from '@jupyterlab/coreutils';
import type { SourceChange } from '@jupyter/ydoc';
import { completionsOf, type ListedModel } from './completionItems';
import { opensPicker } from './promptText';

type Reply = CompletionHandler.ICompletionItemsReply;

export class PromptCompletions implements ICompletionProvider {
  readonly identifier = 'fmnb:prompt';
  readonly renderer = null;
  readonly rank = 1100;

  constructor(
    private isPromptCell: (firstLine: string) => boolean,
    private models: () => Iterable<ListedModel>,
    private kernelCompletes: () => boolean
  ) {}

  async isApplicable({ editor }: ICompletionContext): Promise<boolean> {
    return Boolean(editor && this.isPromptCell(editor.getLine(0) ?? ''));
  }

  async fetch({ text, offset }: CompletionHandler.IRequest, { editor }: ICompletionContext): Promise<Reply> {
    const { line, column } = editor!.getCursorPosition();
    if (line > 0) {
      return { start: offset, end: offset, items: [] };
    }
    const { start, items } = completionsOf(editor!.getLine(0)!.slice(0, column), this.models(), this.kernelCompletes());
    return { start: Text.jsIndexToCharIndex(start, text), end: offset, items };
  }

  /** With automatic completion, no list opens in prose. */
  shouldShowContinuousHint(visible: boolean, changed: SourceChange, context?: ICompletionContext): boolean {
    const editor = context?.editor;
    const typed = changed.sourceChange?.map(delta => delta.insert ?? '').join('') ?? '';
    if (visible || !editor || !/^[\w-]$/.test(typed)) {
      return false;
    }
    const { line, column } = editor.getCursorPosition();
    const before = (editor.getLine(line) ?? '').slice(0, column);
    return line === 0 || before.lastIndexOf('{{') > before.lastIndexOf('}}');
  }
}

/** Opens the completer when `{{` or a dot in an expression is typed. `open` is called after the edit. */
export const pickerTrigger = (open: (view: EditorView) => void) =>
  EditorView.updateListener.of(({ view, state, docChanged, transactions }) => {
    const { head, empty } = state.selection.main;
    if (!docChanged || !empty || !transactions.some(tr => tr.isUserEvent('input.type'))) {
      return;
    }
    const line = state.doc.lineAt(head);
    if (line.number > 1 && opensPicker(state.sliceDoc(line.from, head))) {
      // Two frames: a list that the typed character closes is closed then.
      requestAnimationFrame(() => requestAnimationFrame(() => open(view)));
    }
  });
