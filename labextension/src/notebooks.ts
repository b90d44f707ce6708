/** Notebooks: the model in their metadata, and visible cells inserted into them. */

import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { JSONValue } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';
import { invalidReason } from './modelNames';

const KEY = 'fmnb';

/** The model in a notebook's metadata ("" for none), or why the value is invalid. */
export type NotebookModel = { model: string; invalidReason: string };

export function notebookModel(panel: NotebookPanel): NotebookModel {
  const metadata = panel.model?.getMetadata(KEY) as { model?: unknown } | undefined;
  const reason = invalidReason(metadata?.model);
  return { model: reason ? '' : ((metadata?.model as string | undefined) ?? ''), invalidReason: reason };
}

/** The raw metadata value in place of the model name. The kernel rejects a value that is not a name. */
export function metadataModel(panel: NotebookPanel): JSONValue {
  const value = panel.model?.getMetadata(KEY) as JSONValue | undefined;
  if (value === undefined) {
    return '';
  }
  return isObject(value) ? (value.model ?? '') : [value]; // not a name: the kernel raises an error if it needs one
}

/** Whether a metadata value has the form that we write. */
const isObject = (held: JSONValue | undefined): held is { [name: string]: JSONValue } =>
  typeof held === 'object' && held !== null && !Array.isArray(held);

/** Write a model name to a notebook's metadata; "" clears it. Other values under our key stay. */
export function setNotebookModel(panel: NotebookPanel, model: string): void {
  const held = panel.model?.getMetadata(KEY) as JSONValue | undefined;
  const { model: _, ...others } = isObject(held) ? held : {};
  const now = model ? { ...others, model } : others;
  if (Object.keys(now).length) {
    panel.model?.setMetadata(KEY, now);
  } else {
    panel.model?.deleteMetadata(KEY);
  }
}

/** Insert a cell, by default below the active one, and select it; with `run`, run it. */
export async function insertCell(panel: NotebookPanel, source: string, run = false, kind: 'code' | 'markdown' = 'code', at = panel.content.activeCellIndex + 1): Promise<void> {
  const notebook = panel.content;
  notebook.model?.sharedModel.insertCell(at, { cell_type: kind, source, metadata: kind === 'code' ? { trusted: true } : {} });
  notebook.activeCellIndex = at;
  notebook.deselectAll();
  if (run) {
    await NotebookActions.run(notebook, panel.sessionContext);
    return;
  }
  notebook.mode = 'edit';
  const cell = notebook.activeCell; // another cell may be active by then
  await cell?.ready;
  const editor = cell?.editor;
  if (editor && notebook.activeCell === cell) {
    editor.setCursorPosition(editor.getPositionAt(source.length) ?? { line: 0, column: 0 });
    editor.focus();
  }
}

/** The current notebook, with signals when it, its model, its path or its active cell changes. */
export class Notebooks {
  constructor(private tracker: INotebookTracker) {
    tracker.forEach(panel => this.follow(panel));
    tracker.widgetAdded.connect((_, panel) => this.follow(panel));
    tracker.currentChanged.connect(() => this._changed.emit());
    tracker.activeCellChanged.connect(() => this._changed.emit());
  }

  get current(): NotebookPanel | null {
    return this.tracker.currentWidget;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The model or the path of a notebook changed; its kernel needs the new value. */
  get choiceChanged(): ISignal<this, NotebookPanel> {
    return this._choiceChanged;
  }

  private follow(panel: NotebookPanel): void {
    const notify = () => {
      this._choiceChanged.emit(panel);
      this._changed.emit();
    };
    panel.context.pathChanged.connect(notify);
    panel.sessionContext.kernelChanged.connect(() => this._changed.emit());
    void panel.context.ready.then(() => {
      panel.model?.metadataChanged.connect((_, { key }) => key === KEY && notify());
      this._changed.emit();
    });
  }

  private _changed = new Signal<this, void>(this);
  private _choiceChanged = new Signal<this, NotebookPanel>(this);
}
