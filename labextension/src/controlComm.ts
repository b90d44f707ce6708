/**
 * A comm to a kernel whose messages arrive while a cell runs, also on a page that was loaded meanwhile.
 *
 * JupyterLab's own way (`kernel.createComm`, `kernel.info`) waits for a reply on the shell channel,
 * which a busy kernel sends only when its cell has ended. The control channel replies at once: it
 * tells whether the kernel has subshells and which comms are open, and creates a subshell. The comm
 * on it is opened by hand, and the kernel never publishes on it, so that it keeps receiving in the
 * thread of that subshell.
 */

import { KernelMessage, type Kernel } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';

export class ControlComm {
  /** Null if the kernel has no subshells. */
  static async open(kernel: Kernel.IKernelConnection, target: string, data: object): Promise<ControlComm | null> {
    const subshell = await subshellOf(kernel);
    return subshell ? new ControlComm(kernel, subshell, target, data) : null;
  }

  private constructor(
    private kernel: Kernel.IKernelConnection,
    private subshell: string,
    target: string,
    data: object
  ) {
    this.sendShell('comm_open', { comm_id: this.id, target_name: target, data });
  }

  send(data: object): void {
    this.sendShell('comm_msg', { comm_id: this.id, data });
  }

  private sendShell(msgType: string, content: object): void {
    const message = KernelMessage.createMessage({ ...sender(this.kernel), msgType, channel: 'shell', content } as never) as unknown as KernelMessage.IShellMessage;
    (message.header as { subshell_id?: string }).subshell_id = this.subshell;
    this.kernel.sendShellMessage(message, false);
  }

  private id = UUID.uuid4();
}

/** The open comms of `target` in a kernel. It replies while a cell runs. */
export async function openComms(kernel: Kernel.IKernelConnection, target: string): Promise<string[]> {
  const { comms } = (await request(kernel, 'comm_info_request', { target_name: target })) as { comms?: object };
  return Object.keys(comms ?? {});
}

/** A subshell for this page. After a reload the page uses its old one again, since each is a thread in the kernel. */
async function subshellOf(kernel: Kernel.IKernelConnection): Promise<string | null> {
  const info = (await request(kernel, 'kernel_info_request', {})) as { supported_features?: string[] };
  if (!info.supported_features?.includes('kernel subshells')) {
    return null;
  }
  const key = `fmnb-subshell:${kernel.id}`;
  const old = sessionStorage.getItem(key);
  const { subshell_id: all } = (await request(kernel, 'list_subshell_request', {})) as { subshell_id?: string[] };
  if (old && all?.includes(old)) {
    return old;
  }
  const { subshell_id: created } = (await request(kernel, 'create_subshell_request', {})) as { subshell_id?: string };
  created && sessionStorage.setItem(key, created);
  return created ?? null;
}

/** A request on the control channel. */
async function request(kernel: Kernel.IKernelConnection, msgType: string, content: object): Promise<object> {
  const message = KernelMessage.createMessage({ ...sender(kernel), msgType, channel: 'control', content } as never);
  return ((await kernel.sendControlMessage(message as never, true).done) as KernelMessage.IControlMessage).content;
}

const sender = (kernel: Kernel.IKernelConnection) => ({ session: kernel.clientId, username: kernel.username });
