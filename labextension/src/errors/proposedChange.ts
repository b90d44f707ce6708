/**
 * A proposed text for a cell, as differences from the cell's text. Nothing is in the notebook until
 * it is accepted; then it is one edit, which one undo takes back.
 *
 * The editor here holds the proposal, and the cell's text is what it is compared with. If the cell is
 * edited meanwhile, the differences are those from its new text: what is shown is what accepting does.
 */

import { getChunks, originalDocChangeEffect, unifiedMergeView } from '@codemirror/merge';
import { ChangeSet, EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import type { CodeCell } from '@jupyterlab/cells';
import { jupyterTheme } from '@jupyterlab/codemirror';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { replacedRange } from './replacedRange';

type Undoable = { undoManager?: { stopCapturing(): void } | null };

/** `ran`: the cell's text when it failed. */
type Parts = { cell: CodeCell; ran: string; code: string; model: string; language: Extension; trans: TranslationBundle };

export class ProposedChange extends Widget {
  constructor(private parts: Parts) {
    super();
    const { cell, code, model, language, trans } = parts;
    this.addClass('fmnb-Change');
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', trans.__('Proposed change'));
    this.node.dataset.lmSuppressShortcuts = 'true';
    this.node.addEventListener('keydown', event => event.stopPropagation());
    this.original = cell.model.sharedModel.getSource();
    const row = this.node.appendChild(document.createElement('div'));
    row.className = 'fmnb-Change-buttons';
    const button = (label: string, kind: string, run: () => void) => {
      const made = row.appendChild(document.createElement('button'));
      made.type = 'button';
      made.className = `fm-button ${kind}`;
      made.textContent = label;
      made.addEventListener('click', run);
      return made;
    };
    button(trans.__('Accept'), 'fm-primary', () => this.accept()).disabled = cell.readOnly;
    button(trans.__('Reject'), '', () => this.dispose());
    const from = row.appendChild(document.createElement('span'));
    from.textContent = trans.__('proposed by %1', model);
    this.note = row.appendChild(document.createElement('span'));
    this.note.setAttribute('role', 'status');
    const host = this.node.appendChild(document.createElement('div'));
    host.className = 'fmnb-Change-text';
    this.view = new EditorView({
      parent: host,
      state: EditorState.create({
        doc: code,
        extensions: [
          language,
          jupyterTheme,
          EditorView.lineWrapping,
          EditorView.editable.of(false),
          EditorView.contentAttributes.of({ 'aria-label': trans.__('Proposed text'), tabindex: '0' }),
          EditorView.updateListener.of(({ docChanged, state }) => docChanged && !getChunks(state)?.chunks.length && queueMicrotask(() => this.dispose())),
          unifiedMergeView({
            original: this.original,
            gutter: true,
            collapseUnchanged: { margin: 2, minSize: 6 },
            mergeControls: (type, action) => this.chunkButton(type, action)
          })
        ]
      })
    });
    this.showNote();
    cell.model.sharedModel.changed.connect(this.onCellChanged, this);
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.parts.cell.model?.sharedModel.changed.disconnect(this.onCellChanged, this);
      this.view.destroy();
      super.dispose();
    }
  }

  /** Each difference can be left out alone. */
  private chunkButton(type: 'accept' | 'reject', action: (event: MouseEvent) => void): HTMLElement {
    if (type === 'accept') {
      return document.createElement('span'); // what is left is accepted at once
    }
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = this.parts.trans.__('Reject this');
    button.addEventListener('mousedown', event => event.preventDefault());
    button.addEventListener('click', action);
    return button;
  }

  private accept(): void {
    const cell = this.parts.cell.model.sharedModel;
    const { start, end, text } = replacedRange(cell.getSource(), this.view.state.doc.toString());
    const undo = (cell as unknown as Undoable).undoManager;
    undo?.stopCapturing(); // not one step with what was typed just before
    cell.updateSource(start, end, text); // only what differs: cursors and collaborators stay where they are
    undo?.stopCapturing();
    this.dispose();
    this.parts.cell.editor?.focus();
  }

  private onCellChanged(): void {
    const now = this.parts.cell.model.sharedModel.getSource();
    if (now !== this.original) {
      const { start, end, text } = replacedRange(this.original, now);
      const changes = ChangeSet.of({ from: start, to: end, insert: text }, this.original.length);
      this.original = now;
      this.view.dispatch({ effects: originalDocChangeEffect(this.view.state, changes) });
      this.showNote();
    }
  }

  private showNote(): void {
    const { ran, trans } = this.parts;
    this.note.textContent = this.original === ran ? '' : trans.__('The cell was changed since it failed. The marks show what accepting replaces.');
  }

  /** The keys go to the change, not to a button: no key press may accept by accident. */
  focus(): void {
    this.node.focus({ preventScroll: true });
  }

  private original: string;
  private note: HTMLElement;
  private view: EditorView;
}
