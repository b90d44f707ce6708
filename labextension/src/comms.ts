/**
 * Comms that kernels open.
 *
 * The kernel opens them: a comm opened by the page would leave an error in the log of every
 * kernel without fmnb. After a page reload the comm still exists in the kernel and is found
 * with comm_info, on the control channel, which replies while a cell runs.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { openComms } from './controlComm';

export type OnComm = (comm: Kernel.IComm, kernel: Kernel.IKernelConnection) => void;

/** Call `onComm` with each comm of `target` that a notebook's kernel holds, now or later. */
export function watchComms(tracker: INotebookTracker, target: string, onComm: OnComm): void {
  const follow = ({ sessionContext }: NotebookPanel) => {
    sessionContext.kernelChanged.connect((_, { newValue }) => attach(newValue));
    attach(sessionContext.session?.kernel);
  };
  const attach = (kernel: Kernel.IKernelConnection | null | undefined) => {
    // Of several connections of this page to one kernel, one handles the comms.
    if (!kernel?.handleComms) {
      return;
    }
    kernel.registerCommTarget(target, comm => onComm(comm, kernel));
    reconnect(kernel).catch(reason => console.debug(`fmnb: comm_info failed: ${reason}`));
  };
  const reconnect = async (kernel: Kernel.IKernelConnection) => {
    const spec = await kernel.spec;
    const ids = spec && spec.language !== 'python' ? [] : await openComms(kernel, target);
    for (const id of ids.filter(id => !kernel.hasComm(id))) {
      onComm(kernel.createComm(target, id), kernel);
    }
  };
  tracker.forEach(follow);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
}
