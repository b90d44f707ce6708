/** Wiring only: which services of JupyterLab or Notebook 7 each part is given. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { obeyKernels } from './cells';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'fmnb:plugin',
  description: 'Puts code that a model proposed into the cell below the one that asked for it.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker) => obeyKernels(tracker)
};

export default plugin;
