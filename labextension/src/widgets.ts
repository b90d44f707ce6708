/**
 * Requests of our widgets to the page, as DOM events. The other side is fmnb/jupyter/widgets/base.js.
 *
 *     stop     stop these runs, also while a cell runs
 *     use      use a model in this notebook
 *     insert   insert a cell below the widget's
 *     face     update the static HTML of a widget
 *     line     replace the widget with static HTML
 *
 * The kernel does the last two itself while the page knows the cell's display ids, which a reload
 * loses. A handled event is marked with preventDefault; otherwise the widget uses its fallback.
 */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernels } from './kernels';
import { setNotebookModel, insertCell } from './notebooks';

type Bundle = { data: Record<string, string>; metadata?: Record<string, unknown> };
type WidgetRequest =
  | { do: 'stop'; runs: string[] }
  | { do: 'use'; model: string }
  | { do: 'insert'; source: string; cell?: 'code' | 'markdown' }
  | ({ do: 'face'; id: string } & Bundle)
  | ({ do: 'line' } & Bundle);

export function handleWidgetRequests(tracker: INotebookTracker, kernels: Kernels): void {
  document.addEventListener('fmnb:do', event => {
    const { target, detail } = event as CustomEvent<WidgetRequest>;
    const node = target as HTMLElement;
    const panel = tracker.find(p => p.content.node.contains(node));
    const cell = panel?.content.widgets.find(c => c.node.contains(node));
    if (panel && cell && handle(detail, node, panel, cell, kernels)) {
      event.preventDefault();
    }
  });
}

function handle(request: WidgetRequest, node: HTMLElement, panel: NotebookPanel, cell: Cell, kernels: Kernels): boolean {
  switch (request.do) {
    case 'stop': {
      const kernel = kernels.of(panel)?.kernel.id;
      kernel && void kernels.stop(kernel, request.runs);
      return Boolean(kernel);
    }
    case 'use':
      setNotebookModel(panel, request.model);
      return true;
    case 'insert':
      panel.content.activeCellIndex = panel.content.widgets.indexOf(cell);
      void insertCell(panel, request.source, false, request.cell);
      return true;
    case 'face':
      return replaceOutput(cell, cell.node.querySelector(`[data-fmnb-face="${CSS.escape(request.id)}"]`), request, request.id);
    case 'line':
      return replaceOutput(cell, node, request);
    default:
      return false;
  }
}

/** Replace the output that holds `node`, in the notebook and so on the page. */
export function replaceOutput(cell: Cell, node: Element | null, { data, metadata = {} }: Bundle, face?: string): boolean {
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
