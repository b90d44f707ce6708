/**
 * Comms that kernels open to us.
 *
 * The kernel opens, the front end answers: a front end that opened the comm would leave an
 * error in the log of every kernel without fmnb. After a page reload the comm still lives in
 * the kernel, and is found by asking for it.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

export type Adopt = (comm: Kernel.IComm, kernel: Kernel.IKernelConnection) => void;

/** Hands `adopt` each comm of `target` that a notebook's kernel holds, now or later. */
export function followComms(tracker: INotebookTracker, target: string, adopt: Adopt): void {
  const follow = ({ sessionContext }: NotebookPanel) => {
    sessionContext.kernelChanged.connect((_, { newValue }) => attach(newValue));
    attach(sessionContext.session?.kernel);
  };
  const attach = (kernel: Kernel.IKernelConnection | null | undefined) => {
    // Of several connections of this page to one kernel, one handles the comms.
    if (!kernel?.handleComms) {
      return;
    }
    kernel.registerCommTarget(target, comm => adopt(comm, kernel));
    findAgain(kernel).catch(reason => console.debug(`fmnb: no answer about open comms: ${reason}`));
  };
  const findAgain = async (kernel: Kernel.IKernelConnection) => {
    const { content } = await kernel.requestCommInfo({ target_name: target });
    const ids = content.status === 'ok' ? Object.keys(content.comms) : [];
    for (const id of ids.filter(id => !kernel.hasComm(id))) {
      adopt(kernel.createComm(target, id), kernel);
    }
  };
  tracker.forEach(follow);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
}
