/**
 * Prompt cells: a code cell that begins with `%%fm` is edited as the Markdown it is.
 *
 * One extension in the editor of every code cell. A compartment in it is empty in a Python cell
 * and holds the prompt's language in a prompt cell. The transaction that changes the first line
 * also changes the compartment, so undo, remote edits, split and merge all pass through it. The
 * cell's MIME type, metadata and text stay as they are: the notebook sets MIME types anew
 * whenever a kernel starts.
 */

import type { Language, LanguageSupport } from '@codemirror/language';
import { Compartment, EditorState, Prec, StateEffect, type Extension } from '@codemirror/state';
import { EditorView, ViewPlugin } from '@codemirror/view';
import { firstLineColors } from './language';
import { promptMarks } from './marks';
import { isPrompt } from './promptText';

const NOTHING: Extension = [];
const refresh = StateEffect.define<null>();

/** What makes an editor a prompt editor. */
export function promptExtension(language: Language, support: LanguageSupport['support'], more: Extension): Extension {
  return Prec.high([
    language,
    support,
    promptMarks,
    firstLineColors,
    more,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ spellcheck: 'true', autocorrect: 'on', autocapitalize: 'sentences', writingsuggestions: 'true' })
  ]);
}

export class PromptCells {
  private compartment = new Compartment();
  private views = new Set<EditorView>();
  private extension: Extension | null = null;
  private enabled = true;

  /** The extension for the editor of a code cell with this source. */
  editorExtension(source: string): Extension {
    const enlist = ViewPlugin.define(view => {
      this.views.add(view);
      return { destroy: () => void this.views.delete(view) };
    });
    return [
      this.compartment.of(this.wanted(source.split('\n', 1)[0])), // an editor's first text comes without a transaction
      EditorState.transactionExtender.of(tr => {
        if (!tr.docChanged && !tr.effects.some(e => e.is(refresh))) {
          return null;
        }
        const wanted = this.wanted(tr.newDoc.line(1).text);
        return this.compartment.get(tr.startState) === wanted ? null : { effects: this.compartment.reconfigure(wanted) };
      }),
      enlist
    ];
  }

  /** The languages are loaded. */
  load(extension: Extension): void {
    this.extension = extension;
    this.refresh();
  }

  setEnabled(enabled: boolean): void {
    if (this.enabled !== enabled) {
      this.enabled = enabled;
      this.refresh();
    }
  }

  /** Whether a cell with this first line is edited as a prompt. */
  includes(firstLine: string): boolean {
    return this.wanted(firstLine) !== NOTHING;
  }

  private wanted(firstLine: string): Extension {
    return this.enabled && this.extension && isPrompt(firstLine) ? this.extension : NOTHING;
  }

  private refresh(): void {
    this.views.forEach(view => view.dispatch({ effects: refresh.of(null) }));
  }
}
