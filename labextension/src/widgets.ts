/**
 * What our widgets ask of the page around them, as DOM events (their other half is fmnb/jupyter/widgets/base.js).
 *
 *     stop     these runs, also while a cell runs
 *     use      a model, as this notebook's own choice
 *     insert   a cell below the widget's
 *     face     bring the plain HTML that stands for a widget up to date
 *     line     put plain HTML in the widget's own place
 *
 * The kernel does the last two itself as long as the page knows the cell's display ids, which it
 * forgets when it is reloaded. An event that is heard is marked so; the widget helps itself otherwise.
 */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernels } from './kernels';
import { choose, insertCell } from './notebooks';

type Bundle = { data: Record<string, string>; metadata?: Record<string, unknown> };
type Asked =
  | { do: 'stop'; runs: string[] }
  | { do: 'use'; model: string }
  | { do: 'insert'; source: string; cell?: 'code' | 'markdown' }
  | ({ do: 'face'; id: string } & Bundle)
  | ({ do: 'line' } & Bundle);

export function hearWidgets(tracker: INotebookTracker, kernels: Kernels): void {
  document.addEventListener('fmnb:do', event => {
    const { target, detail } = event as CustomEvent<Asked>;
    const node = target as HTMLElement;
    const panel = tracker.find(p => p.content.node.contains(node));
    const cell = panel?.content.widgets.find(c => c.node.contains(node));
    if (panel && cell && obey(detail, node, panel, cell, kernels)) {
      event.preventDefault();
    }
  });
}

function obey(asked: Asked, node: HTMLElement, panel: NotebookPanel, cell: Cell, kernels: Kernels): boolean {
  switch (asked.do) {
    case 'stop': {
      const kernel = kernels.of(panel)?.kernel.id;
      kernel && void kernels.stop(kernel, asked.runs);
      return Boolean(kernel);
    }
    case 'use':
      choose(panel, asked.model);
      return true;
    case 'insert':
      panel.content.activeCellIndex = panel.content.widgets.indexOf(cell);
      void insertCell(panel, asked.source, false, asked.cell);
      return true;
    case 'face':
      return put(cell, cell.node.querySelector(`[data-fmnb-face="${CSS.escape(asked.id)}"]`), asked, asked.id);
    case 'line':
      return put(cell, node, asked);
    default:
      return false;
  }
}

/** Replace the output that holds `node`, in the notebook and so on the page. */
function put(cell: Cell, node: Element | null, { data, metadata = {} }: Bundle, face?: string): boolean {
  const area = (cell as CodeCell).outputArea;
  const child = node?.closest('.jp-OutputArea-child');
  const at = area && child ? area.widgets.findIndex(w => w.node === child) : -1;
  if (at < 0) {
    return false;
  }
  const html = face ? `<div class="fmnb-face" data-fmnb-face="${face}">\n${data['text/html']}</div>\n` : data['text/html'];
  if (area.model.get(at).data['text/html'] !== html) {
    area.model.set(at, { output_type: 'display_data', data: { ...data, 'text/html': html }, metadata: metadata as never });
  }
  return true;
}
