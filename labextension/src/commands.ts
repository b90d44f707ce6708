/** The commands of the panel, also in the command palette. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { isActive } from './fold';
import { modelIcon } from './icons';
import type { SidebarModel } from './model';
import { cellOf, promptOf } from './modelNames';
import { insertCell } from './notebooks';
import type { SidebarPanel } from './panel';
import { pick } from './picker';
import { TABS } from './views/tabs';

type Parts = { app: JupyterFrontEnd; palette: ICommandPalette | null; model: SidebarModel; panel: SidebarPanel; trans: TranslationBundle };
type Options = Omit<CommandRegistry.ICommandOptions, 'execute'> & { argDescriptions?: Record<string, string> };

export function addCommands({ app, palette, model, panel, trans }: Parts): void {
  const { commands } = app;
  const category = 'fmnb';
  const conditional: string[] = [];

  /** `argDescriptions` has a description for each argument. */
  const add = (id: string, label: string, execute: (args: Record<string, unknown>) => unknown, options: Options = {}) => {
    const { argDescriptions: takes = {}, ...others } = options;
    const properties = Object.fromEntries(Object.entries(takes).map(([name, description]) => [name, { type: 'string', description }]));
    commands.addCommand(id, { label, describedBy: { args: { type: 'object', properties } }, ...others, execute: args => execute(args) });
    palette?.addItem({ command: id, category });
    options.isEnabled && conditional.push(id);
  };
  const show = (tab?: string) => {
    tab && model.show(tab);
    app.shell.activateById(panel.id);
  };
  const notebook = () => model.notebook !== null;
  const selected = () => model.catalog.selected;
  const prompt = () => promptOf(model.notebook?.content.activeCell?.model.sharedModel.source ?? '');

  add('fmnb:show', trans.__('Show Foundation Models'), () => show(), { icon: args => (args.toolbar ? modelIcon : undefined) });
  for (const { id, label } of TABS) {
    const options = id === 'keys' ? { argDescriptions: { provider: 'A provider whose key to enter' } } : {};
    add(
      `fmnb:show-${id}`,
      trans.__('Show Foundation Models: %1', label(trans)),
      ({ provider }) => {
        id === 'keys' && typeof provider === 'string' && model.data.openKey(provider);
        show(id);
      },
      options
    );
  }
  add('fmnb:search', trans.__('Search Foundation Models'), () => show('models'));
  add(
    'fmnb:choose-model',
    trans.__('Choose the Model of This Notebook…'),
    async () => {
      const choice = await pick(model, trans, trans.__('Model of this notebook'), trans.__('No model of its own (use the default)'));
      choice !== null && model.use(choice);
    },
    { isEnabled: notebook }
  );
  add(
    'fmnb:use-model',
    trans.__('Use a Model in This Notebook'),
    ({ model: name }) => (typeof name === 'string' ? model.use(name) : commands.execute('fmnb:choose-model')),
    { isEnabled: notebook, argDescriptions: { model: 'Name of a model; without it, the picker opens' } }
  );
  add('fmnb:clear-model', trans.__('Clear the Model of This Notebook'), () => model.use(''), { isEnabled: notebook });
  add(
    'fmnb:set-default',
    trans.__('Choose the Default Model…'),
    async ({ model: name }) => {
      const choice =
        typeof name === 'string' ? name : await pick(model, trans, trans.__('Default model everywhere'), trans.__('No default'));
      choice !== null && (await model.setDefault(choice));
    },
    { argDescriptions: { model: 'Name of a model; without it, the picker opens' } }
  );
  add('fmnb:insert-compare', trans.__('Insert a Cell for the Selected Models'), () => insertCell(model.notebook!, cellOf(selected())), {
    isEnabled: () => notebook() && selected().length > 0,
    caption: trans.__('A %%fm cell with these models, below the active cell')
  });
  add(
    'fmnb:run-compare',
    trans.__('Run the Active Prompt With the Selected Models'),
    () => insertCell(model.notebook!, cellOf(selected(), prompt()), true),
    {
      isEnabled: () => notebook() && selected().length > 0 && Boolean(prompt()?.trim()),
      caption: trans.__('Sends the prompt of the active %%fm cell to these models, in a new cell below it')
    }
  );
  add('fmnb:clear-compare', trans.__('Clear Model Selection'), () => model.catalog.clearSelection(), { isEnabled: () => selected().length > 0 });
  add('fmnb:refresh', trans.__('Refresh Foundation Models'), () => model.refresh());
  add(
    'fmnb:load',
    trans.__('Load fmnb in This Notebook'),
    async () => {
      await insertCell(model.notebook!, '%load_ext fmnb', true, 'code', 0);
    },
    { isEnabled: () => notebook() && !model.kernels.of(model.notebook) }
  );
  add(
    'fmnb:stop',
    trans.__('Stop Foundation Model Runs of This Notebook'),
    ({ run }) => {
      const kernel = model.kernels.of(model.notebook)?.kernel.id;
      const runs = typeof run === 'string' ? [run] : [...model.runs.values()].filter(r => isActive(r) && model.kernelOf(r.run) === kernel).map(r => r.run);
      return Promise.all(runs.map(r => model.stop(r)));
    },
    { argDescriptions: { run: 'Id of a run; without it, all runs of this notebook’s kernel' } }
  );
  // By id: without one, toolbars and menus check every command.
  model.changed.connect(() => conditional.forEach(id => commands.notifyCommandChanged(id)));
}
