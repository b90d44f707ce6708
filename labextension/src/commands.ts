/** Everything the panel does, as commands of the palette. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { live } from './fold';
import { modelIcon } from './icons';
import type { SidebarModel } from './model';
import { cellOf, promptOf } from './modelNames';
import { insertCell } from './notebooks';
import type { SidebarPanel } from './panel';
import { pick } from './picker';
import { TABS } from './views/tabs';

type Parts = { app: JupyterFrontEnd; palette: ICommandPalette | null; model: SidebarModel; panel: SidebarPanel; trans: TranslationBundle };
type Options = Omit<CommandRegistry.ICommandOptions, 'execute'> & { takes?: Record<string, string> };

export function addCommands({ app, palette, model, panel, trans }: Parts): void {
  const { commands } = app;
  const category = 'fmnb';
  const conditional: string[] = [];

  /** `takes` names the arguments, with what each is for. */
  const add = (id: string, label: string, execute: (args: Record<string, unknown>) => unknown, options: Options = {}) => {
    const { takes = {}, ...others } = options;
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
  const ticked = () => model.catalogue.ticked;
  const prompt = () => promptOf(model.notebook?.content.activeCell?.model.sharedModel.source ?? '');

  add('fmnb:show', trans.__('Show Foundation Models'), () => show(), { icon: args => (args.toolbar ? modelIcon : undefined) });
  for (const { id, label } of TABS) {
    add(`fmnb:show-${id}`, trans.__('Show Foundation Models: %1', label(trans)), () => show(id));
  }
  add('fmnb:search', trans.__('Search Foundation Models'), () => show('models'));
  add(
    'fmnb:choose-model',
    trans.__('Choose the Model of This Notebook…'),
    async () => {
      const found = await pick(model, trans, trans.__('Model of this notebook'), trans.__('None of its own: the default'));
      found !== null && model.use(found);
    },
    { isEnabled: notebook }
  );
  add(
    'fmnb:use-model',
    trans.__('Use a Model in This Notebook'),
    ({ model: name }) => (typeof name === 'string' ? model.use(name) : commands.execute('fmnb:choose-model')),
    { isEnabled: notebook, takes: { model: 'A model’s name; without it you are asked' } }
  );
  add('fmnb:clear-model', trans.__('Let This Notebook Name No Model'), () => model.use(''), { isEnabled: notebook });
  add(
    'fmnb:set-default',
    trans.__('Choose the Default Model…'),
    async ({ model: name }) => {
      const found =
        typeof name === 'string' ? name : await pick(model, trans, trans.__('Default model everywhere'), trans.__('No default'));
      found !== null && (await model.setDefault(found));
    },
    { takes: { model: 'A model’s name; without it you are asked' } }
  );
  add('fmnb:insert-compare', trans.__('Insert a Cell That Asks the Ticked Models'), () => insertCell(model.notebook!, cellOf(ticked())), {
    isEnabled: () => notebook() && ticked().length > 0,
    caption: trans.__('A %%fm cell with these models, below the active cell')
  });
  add(
    'fmnb:run-compare',
    trans.__('Ask the Ticked Models What the Active Cell Asks'),
    () => insertCell(model.notebook!, cellOf(ticked(), prompt()), true),
    {
      isEnabled: () => notebook() && ticked().length > 0 && Boolean(prompt()?.trim()),
      caption: trans.__('Asks these models what the active %%fm cell asks, in a new cell below it')
    }
  );
  add('fmnb:clear-compare', trans.__('Untick All Models'), () => model.catalogue.clearTicks(), { isEnabled: () => ticked().length > 0 });
  add('fmnb:refresh', trans.__('Ask for Foundation Models Anew'), () => model.refresh());
  add(
    'fmnb:load',
    trans.__('Load fmnb in This Notebook'),
    async () => {
      model.notebook!.content.activeCellIndex = -1;
      await insertCell(model.notebook!, '%load_ext fmnb', true);
    },
    { isEnabled: () => notebook() && !model.kernels.of(model.notebook) }
  );
  add(
    'fmnb:stop',
    trans.__('Stop Foundation Model Runs of This Notebook'),
    ({ run }) => {
      const kernel = model.kernels.of(model.notebook)?.kernel.id;
      const runs = typeof run === 'string' ? [run] : [...model.runs.values()].filter(r => live(r) && model.homeOf(r.run) === kernel).map(r => r.run);
      return Promise.all(runs.map(r => model.stop(r)));
    },
    { takes: { run: 'A run’s id; without it all that this notebook’s kernel runs' } }
  );
  // Ours alone: toolbars and menus ask every command of a word without a name.
  model.changed.connect(() => conditional.forEach(id => commands.notifyCommandChanged(id)));
}
