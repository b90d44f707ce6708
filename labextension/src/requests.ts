/**
 * Every execute request carries the notebook's model and path in its metadata, as `fmnb.model` and `fmnb.notebook`.
 *
 * A comm message would wait in the kernel behind the queue of Run All. The other side is fmnb/jupyter/magics/notebook_choice.py.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { metadataModel } from './notebooks';

/** Add the model of each notebook to its execute requests. */
export function attachModelChoice(tracker: INotebookTracker): void {
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
    request(content, disposeOnDone, panel.context.isReady ? { ...metadata, fmnb: { model: metadataModel(panel), notebook: panel.context.path } } : metadata);
}
