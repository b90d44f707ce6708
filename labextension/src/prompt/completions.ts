/**
 * Completion in prompt cells: options from the table of this page, models from the sidebar's list.
 *
 * The kernel completes too (fmnb/jupyter/magics/complete.py), and JupyterLab merges both: it knows
 * the notebook's names. The first line is completed without a kernel. In the prompt, the kernel's
 * columns that replace a dot come from here; JupyterLab drops its own equal items.
 */

import { EditorView } from '@codemirror/view';
import { KernelCompleterProvider, type CompletionHandler, type ICompletionContext, type ICompletionProvider } from '@jupyterlab/completer';
import { Text } from '@jupyterlab/coreutils';
import type { SourceChange } from '@jupyter/ydoc';
import { behindDot, staleDot, type Offer } from './columnItems';
import { completionsOf, type ListedModel } from './completionItems';
import { opensPicker } from './promptText';

type Reply = CompletionHandler.ICompletionItemsReply;

export class PromptCompletions implements ICompletionProvider {
  readonly identifier = 'fmnb:prompt';
  readonly renderer = null;
  readonly rank = 1100;
  private kernel = new KernelCompleterProvider();
  private offer: Offer | null = null;

  constructor(
    private isPromptCell: (firstLine: string) => boolean,
    private models: () => Iterable<ListedModel>,
    private kernelCompletes: () => boolean
  ) {}

  async isApplicable({ editor }: ICompletionContext): Promise<boolean> {
    return Boolean(editor && this.isPromptCell(editor.getLine(0) ?? ''));
  }

  async fetch(request: CompletionHandler.IRequest, context: ICompletionContext): Promise<Reply> {
    const { text, offset } = request;
    const { editor } = context;
    const { line, column } = editor!.getCursorPosition();
    if (line > 0) {
      return (await this.columns(request, context)) ?? { start: offset, end: offset, items: [] };
    }
    const { start, items } = completionsOf(editor!.getLine(0)!.slice(0, column), this.models(), this.kernelCompletes());
    return { start: Text.jsIndexToCharIndex(start, text), end: offset, items };
  }

  /** After a column of the list was inserted behind a dot that it replaces, deletes the dot and the name before it. */
  readonly deleteDot = EditorView.updateListener.of(({ view, changes, docChanged, startState }) => {
    const { offer } = this;
    if (!offer || !docChanged) {
      return;
    }
    changes.iterChanges((from, _to, _fromB, _toB, inserted) => {
      const range = staleDot(offer, from, inserted.toString(), startState.sliceDoc(Math.max(0, from - offer.prefix.length), from));
      // JupyterLab undoes both changes together.
      range && queueMicrotask(() => view.dispatch({ changes: range }));
    });
  });

  private async columns(request: CompletionHandler.IRequest, context: ICompletionContext): Promise<Reply | null> {
    this.offer = null;
    if (!context.session?.kernel) {
      return null;
    }
    const { text, offset } = request;
    const { start, end, items } = await this.kernel.fetch(request, context);
    const from = Text.charIndexToJsIndex(start, text);
    const moved = behindDot(Array.from(items), text.slice(from, Text.charIndexToJsIndex(offset, text)), from);
    this.offer = moved?.offer ?? null;
    return moved && { start: Text.jsIndexToCharIndex(moved.offer.start, text), end, items: moved.items };
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
