/** Notebooks: the choice in their metadata, and cells put into them where everybody sees them. */

import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { JSONValue } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';
import { oddity } from './modelNames';

const KEY = 'fmnb';

/** What a notebook's metadata says: a model's name ("" for none), or why what is there is none. */
export type Chosen = { model: string; odd: string };

export function chosenIn(panel: NotebookPanel): Chosen {
  const ours = panel.model?.getMetadata(KEY) as { model?: unknown } | undefined;
  const odd = oddity(ours?.model);
  return { model: odd ? '' : ((ours?.model as string | undefined) ?? ''), odd };
}

/** What a notebook's metadata holds in a model's place, for its kernel, which refuses what is not a name. */
export function heldIn(panel: NotebookPanel): JSONValue {
  const held = panel.model?.getMetadata(KEY) as JSONValue | undefined;
  if (held === undefined) {
    return '';
  }
  return isTable(held) ? (held.model ?? '') : [held]; // no name: the kernel says so where one is needed
}

/** Whether an entry of the metadata is one of ours, and not something written by hand in its place. */
const isTable = (held: JSONValue | undefined): held is { [name: string]: JSONValue } =>
  typeof held === 'object' && held !== null && !Array.isArray(held);

/** Write a choice into a notebook; "" takes it back. What else stands under our key stays. */
export function choose(panel: NotebookPanel, model: string): void {
  const held = panel.model?.getMetadata(KEY) as JSONValue | undefined;
  const { model: _, ...others } = isTable(held) ? held : {};
  const now = model ? { ...others, model } : others;
  if (Object.keys(now).length) {
    panel.model?.setMetadata(KEY, now);
  } else {
    panel.model?.deleteMetadata(KEY);
  }
}

/** Put a cell below the active one and go there; with `run`, run it. */
export async function insertCell(panel: NotebookPanel, source: string, run = false, kind: 'code' | 'markdown' = 'code'): Promise<void> {
  const notebook = panel.content;
  const at = notebook.activeCellIndex + 1;
  notebook.model?.sharedModel.insertCell(at, { cell_type: kind, source, metadata: kind === 'code' ? { trusted: true } : {} });
  notebook.activeCellIndex = at;
  notebook.deselectAll();
  if (run) {
    await NotebookActions.run(notebook, panel.sessionContext);
    return;
  }
  notebook.mode = 'edit';
  const cell = notebook.activeCell; // another one may be active when this one is ready
  await cell?.ready;
  const editor = cell?.editor;
  if (editor && notebook.activeCell === cell) {
    editor.setCursorPosition(editor.getPositionAt(source.length) ?? { line: 0, column: 0 });
    editor.focus();
  }
}

/** The notebook in front, and a word when it, its choice, its name or its active cell changes. */
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

  /** A notebook's choice or path is another one: its kernel wants to know. */
  get told(): ISignal<this, NotebookPanel> {
    return this._told;
  }

  private follow(panel: NotebookPanel): void {
    const tell = () => {
      this._told.emit(panel);
      this._changed.emit();
    };
    panel.context.pathChanged.connect(tell);
    panel.sessionContext.kernelChanged.connect(() => this._changed.emit());
    void panel.context.ready.then(() => {
      panel.model?.metadataChanged.connect((_, { key }) => key === KEY && tell());
      this._changed.emit();
    });
  }

  private _changed = new Signal<this, void>(this);
  private _told = new Signal<this, NotebookPanel>(this);
}
