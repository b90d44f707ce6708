/**
 * The notebook's own choice goes with every cell that is run: in the metadata of its request, as `fmnb.model`, with the notebook's path.
 *
 * A message on a comm would wait in the kernel behind the queue of Run All. Its twin is fmnb/jupyter/magics/notebook_choice.py.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { heldIn } from './notebooks';

/** Add the choice of each notebook to what its page asks the kernel to run. */
export function sendChoices(tracker: INotebookTracker): void {
  const follow = (panel: NotebookPanel) => {
    panel.sessionContext.kernelChanged.connect((_, { newValue }) => wrap(panel, newValue));
    wrap(panel, panel.sessionContext.session?.kernel);
  };
  tracker.forEach(follow);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
}

const wrapped = new WeakSet<Kernel.IKernelConnection>();

function wrap(panel: NotebookPanel, kernel: Kernel.IKernelConnection | null | undefined): void {
  if (!kernel || wrapped.has(kernel)) {
    return;
  }
  wrapped.add(kernel);
  const request = kernel.requestExecute.bind(kernel);
  kernel.requestExecute = (content, disposeOnDone, metadata) =>
    request(content, disposeOnDone, panel.context.isReady ? { ...metadata, fmnb: { model: heldIn(panel), notebook: panel.context.path } } : metadata);
}
