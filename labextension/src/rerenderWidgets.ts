/**
 * Our widgets are shown again after a reload of the page, also when ipywidgets gives up too early.
 *
 * ipywidgets waits two seconds for a widget's model. If the models of the kernel arrive at the end
 * of that time, it shows "model not found" although the model is there, and never looks again
 * (renderModel in its manager). So an output of ours with that message is rendered again, a few
 * times; the notebook document stays as it is.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { Widget } from '@lumino/widgets';
import type { Kernels } from './kernels';
import { onPanelChanges } from './panelChanges';

const MESSAGE = 'Error displaying widget: model not found';
const DELAYS = [0, 2000, 8000]; // ms before each try; a try itself waits two seconds for the model

export function rerenderWidgets(tracker: INotebookTracker, kernels: Kernels): void {
  const tries = new WeakMap<Node, number>();
  const check = (panel: NotebookPanel) => {
    if (!kernels.of(panel)) {
      return;
    }
    for (const node of panel.content.node.querySelectorAll<HTMLElement>('.jp-OutputArea-output.jupyter-widgets')) {
      const tried = tries.get(node) ?? 0;
      if (node.textContent === MESSAGE && tried < DELAYS.length) {
        tries.set(node, tried + 1);
        setTimeout(() => render(panel, node), DELAYS[tried]);
      }
    }
  };
  onPanelChanges(tracker, kernels, check);
}

/** Render the output of ours that `node` shows again. */
function render(panel: NotebookPanel, node: HTMLElement): void {
  const cell = panel.isDisposed ? undefined : panel.content.widgets.find(c => c.node.contains(node));
  const area = (cell as CodeCell | undefined)?.outputArea;
  const at = area?.widgets.findIndex(w => w.node.contains(node)) ?? -1;
  const renderer = area && at >= 0 ? rendererOf(area.widgets[at], node) : undefined;
  const output = area?.model.get(at);
  if (renderer && output && node.textContent === MESSAGE && 'widget' in ((output.metadata.fmnb as object | undefined) ?? {})) {
    node.classList.remove('jupyter-widgets');
    void renderer.renderModel(output);
  }
}

function rendererOf(widget: Widget, node: Node): IRenderMime.IRenderer | undefined {
  if (widget.node === node) {
    return 'renderModel' in widget ? (widget as IRenderMime.IRenderer) : undefined;
  }
  for (const child of widget.children()) {
    const found = rendererOf(child, node);
    if (found) {
      return found;
    }
  }
  return undefined;
}
