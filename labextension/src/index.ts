/** Wiring only: which services of JupyterLab or Notebook 7 each part is given. */

import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from './api';
import { Kernels } from './kernels';
import { SidebarModel } from './model';
import { Notebooks } from './notebooks';
import { SidebarPanel } from './panel';

const ID = 'fmnb:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'The sidebar of foundation models, the choice of a notebook, and code that a model proposed.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ISettingRegistry, IStatusBar, IToolbarWidgetRegistry, ITranslator],
  activate: async (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    toolbar: IToolbarWidgetRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('fmnb');
    const { serverSettings } = app.serviceManager;
    const api = new Api((path, init) =>
      ServerConnection.makeRequest(URLExt.join(serverSettings.baseUrl, 'fmnb', path), init, serverSettings)
    );
    const model = new SidebarModel(api, new Notebooks(tracker), new Kernels(tracker));
    const panel = new SidebarPanel({ model, commands: app.commands, trans });
    const settings = await registry?.load(ID).catch(() => undefined);
    app.shell.add(panel, settings?.get('side').composite === 'left' ? 'left' : 'right', { rank: 900, type: 'fmnb' });
    restorer?.add(panel, panel.id);
    void labShell;
    void palette;
    void statusBar;
    void (toolbar as unknown as NotebookPanel);
  }
};

export default plugin;
