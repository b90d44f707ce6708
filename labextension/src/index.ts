/** Wiring only: connects the parts to services of JupyterLab or Notebook 7. */

import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { URLExt } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from './api';
import { addCommands } from './commands';
import { addSidebarCommands } from './sidebarCommands';
import { StatusItem, ToolbarItem } from './current';
import { Kernels } from './kernels';
import { SidebarModel } from './model';
import { Notebooks } from './notebooks';
import { SidebarPanel } from './panel';
import { addPromptCells } from './prompt/addPromptCells';
import { showQuestions } from './questions';
import { attachModelChoice } from './requests';
import { addLoadHelp } from './errors/addLoadHelp';
import { addErrorHelp } from './errors/addErrorHelp';
import { explainCell } from './errors/explainCell';
import { fixCell } from './errors/fixCell';
import { addBetterModelButton } from './betterModelButton';
import { planDownload } from './views/details';
import { addFeedbackButtons } from './feedbackButtons';
import { addTutorials } from './tutorials';
import { rerenderWidgets } from './rerenderWidgets';
import { addVoteButtons } from './voteButtons';
import { handleWidgetRequests } from './widgets';

const ID = 'fmnb:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'The sidebar of foundation models, the model of each notebook, prompt cells, and code that a model proposed.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ISettingRegistry, IStatusBar, IToolbarWidgetRegistry, ITranslator, ILauncher, IEditorExtensionRegistry, IEditorLanguageRegistry, ICompletionProviderManager],
  activate: async (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    toolbar: IToolbarWidgetRegistry | null,
    translator: ITranslator | null,
    launcher: ILauncher | null,
    extensions: IEditorExtensionRegistry | null,
    languages: IEditorLanguageRegistry | null,
    completions: ICompletionProviderManager | null
  ) => {
    const trans = (translator ?? nullTranslator).load('fmnb');
    const { serverSettings } = app.serviceManager;
    const api = new Api((path, init) =>
      ServerConnection.makeRequest(URLExt.join(serverSettings.baseUrl, 'fmnb', path), init, serverSettings)
    );
    const kernels = new Kernels(tracker);
    const model = new SidebarModel(api, new Notebooks(tracker), kernels);
    attachModelChoice(tracker);
    handleWidgetRequests(tracker, kernels);
    rerenderWidgets(tracker, kernels);
    addFeedbackButtons(tracker, kernels, trans);
    addVoteButtons(tracker, kernels, trans);
    const errorActions = {
      fix: (panel: NotebookPanel, cell: CodeCell) => void fixCell(panel, cell, { kernels, languages, trans }),
      explain: (panel: NotebookPanel, cell: CodeCell) => void explainCell(panel, cell),
      setKey: (provider: string) => void app.commands.execute('fmnb:show-keys', { provider })
    };
    addLoadHelp(tracker, kernels, trans);
    addErrorHelp(tracker, kernels, errorActions, trans);
    const betterModelActions = {
      use: (name: string) => void app.commands.execute('fmnb:use-model', { model: name }),
      download: (source: string) => (void app.commands.execute('fmnb:show'), planDownload(model, source))
    };
    addBetterModelButton(tracker, kernels, betterModelActions, trans);
    showQuestions(tracker, kernels, trans, id => app.shell.activateById(id));
    const promptCells = extensions && languages && addPromptCells({ app, extensions, languages, completions, model, trans });
    const panel = new SidebarPanel({ model, commands: app.commands, trans });
    const pick = () => void app.commands.execute('fmnb:choose-model');
    addCommands({ app, palette, model, panel, trans });
    addSidebarCommands({ app, palette, model, trans, single: labShell === null });
    addTutorials({ app, palette, launcher, api, trans });
    toolbar?.addFactory<NotebookPanel>('Notebook', 'fmnb-model', notebook => new ToolbarItem({ model, trans, pick }, notebook));
    statusBar?.registerStatusItem('fmnb:status', {
      item: new StatusItem({ model, trans, pick }),
      align: 'right',
      rank: 20,
      isActive: () => tracker.currentWidget !== null && (!labShell || labShell.currentWidget === tracker.currentWidget),
      activeStateChanged: model.changed
    });

    const settings = await registry?.load(ID).catch(() => undefined);
    const read = () => {
      if (settings) {
        model.set({ compact: settings.get('compact').composite === true, askOnOpen: settings.get('askOnOpen').composite !== false });
        promptCells?.setEnabled(settings.get('promptCells').composite !== false);
      }
    };
    settings?.changed.connect(read);
    read();
    app.shell.add(panel, settings?.get('side').composite === 'left' ? 'left' : 'right', { rank: 900, type: 'fmnb' });
    restorer?.add(panel, panel.id);
    // Toolbar button and status item show the default model once the application has loaded.
    void app.restored.then(() => model.loadServerInfo());
  }
};

export default plugin;
