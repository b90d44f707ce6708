/** Commands for runs, prompts and cells, and their menu entries. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog, MainAreaWidget, showDialog, type ICommandPalette } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Menu } from '@lumino/widgets';
import { aboutCell, explainOutput, fixError, promptCell, cellContents, type CellContents } from './cellmenu';
import { modelIcon } from './icons';
import type { SidebarModel } from './model';
import { promptOf } from './modelNames';
import { insertCell } from './notebooks';
import { RunView } from './runview';

/** `single`: the application shows one document per page, as Notebook 7. */
type Parts = { app: JupyterFrontEnd; palette: ICommandPalette | null; model: SidebarModel; trans: TranslationBundle; single: boolean };

export function addSidebarCommands({ app, palette, model, trans, single }: Parts): void {
  const { commands } = app;
  const notebook = () => model.notebook !== null;
  const args = (names: Record<string, string>) => ({
    args: { type: 'object' as const, properties: Object.fromEntries(Object.entries(names).map(([n, d]) => [n, { type: 'string' as const, description: d }])) }
  });

  commands.addCommand('fmnb:open-run', {
    label: trans.__('Open a Run of a Foundation Model'),
    describedBy: args({ run: 'Id of a run' }),
    execute: ({ run }) =>
      model.attempt(async () => {
        const id = `fmnb-main-${run}`;
        if (![...app.shell.widgets('main')].some(w => w.id === id)) {
          const content = new RunView(await model.data.run(String(run)), trans);
          if (single) {
            // The main area of Notebook 7 holds only the notebook.
            await showDialog({ title: content.title.label, body: content, buttons: [Dialog.okButton({ label: trans.__('Close') })] });
            return;
          }
          const widget = new MainAreaWidget({ content });
          widget.id = id;
          app.shell.add(widget, 'main');
        }
        app.shell.activateById(id);
      })
  });
  commands.addCommand('fmnb:insert-run', {
    label: trans.__('Insert the Prompt of a Run as a Cell'),
    describedBy: args({ run: 'Id of a run' }),
    isEnabled: notebook,
    execute: ({ run }) =>
      model.attempt(async () => {
        const { model: name, text } = await model.data.promptOfRun(String(run));
        await insertCell(model.notebook!, promptCell(text, name, '', true));
      })
  });
  commands.addCommand('fmnb:save-prompt', {
    label: trans.__('Save the Prompt of the Active Cell…'),
    describedBy: args({ name: 'Name of the prompt; without it, a dialog asks' }),
    isEnabled: () => Boolean(activePrompt(model)) && model.about !== null,
    execute: async ({ name }) => {
      const text = activePrompt(model)!;
      const chosen =
        typeof name === 'string'
          ? name
          : (await InputDialog.getText({ title: trans.__('Save this prompt'), label: trans.__('Name'), okLabel: trans.__('Save') })).value;
      if (chosen?.trim()) {
        await model.data.savePrompt(chosen.trim(), text, '');
        model.error || model.announce(trans.__('%1 is saved', chosen.trim()));
      }
    }
  });
  palette?.addItem({ command: 'fmnb:save-prompt', category: 'fmnb' });
  commands.addCommand('fmnb:insert-saved', {
    label: trans.__('Insert a Saved Prompt…'),
    describedBy: args({ name: 'Name of the prompt; without it, a dialog asks' }),
    isEnabled: notebook,
    execute: async ({ name }) => {
      await model.data.open('prompts', '');
      const rows = model.data.prompts ?? [];
      const chosen =
        typeof name === 'string' || !rows.length
          ? name
          : (await InputDialog.getItem({ title: trans.__('Insert a saved prompt'), items: rows.map(p => p.name), okLabel: trans.__('Insert') })).value;
      const found = rows.find(p => p.name === chosen);
      if (found) {
        await commands.execute('fmnb:insert-prompt', { text: found.text, system: found.system });
      } else if (!rows.length) {
        model.show('prompts'); // the view explains how to save one
        await commands.execute('fmnb:show');
      }
    }
  });
  palette?.addItem({ command: 'fmnb:insert-saved', category: 'fmnb' });
  commands.addCommand('fmnb:insert-prompt', {
    label: trans.__('Insert a Prompt as a Cell'),
    describedBy: args({ text: 'The prompt', model: 'Name of a model', system: 'A system prompt' }),
    isEnabled: notebook,
    execute: ({ text, model: name, system }) =>
      insertCell(model.notebook!, promptCell(String(text ?? ''), String(name ?? ''), String(system ?? '')))
  });

  const cells: [string, string, (q: CellContents) => string, (q: CellContents) => boolean][] = [
    ['fmnb:ask-about-cell', trans.__('Ask About This Cell'), aboutCell, q => Boolean(q.source.trim())],
    ['fmnb:explain-output', trans.__('Explain This Output'), explainOutput, q => Boolean(q.output)],
    ['fmnb:fix-error', trans.__('Fix This Error'), fixError, q => Boolean(q.error)]
  ];
  // One entry with a submenu: JupyterLab would scatter single entries over its own groups.
  const cellMenu = new Menu({ commands });
  cellMenu.title.label = trans.__('Foundation Models');
  cellMenu.title.icon = modelIcon;
  app.contextMenu.addItem({ type: 'submenu', submenu: cellMenu, selector: '.jp-Notebook .jp-CodeCell', rank: 20 });
  for (const [id, label, ask, fits] of cells) {
    commands.addCommand(id, {
      label,
      caption: trans.__('Inserts a %%fm cell with the full prompt; nothing is sent until you run it'),
      icon: modelIcon,
      describedBy: args({}),
      isEnabled: () => notebook() && fits(quotedCell(model.notebook!)),
      execute: () => insertCell(model.notebook!, ask(quotedCell(model.notebook!)))
    });
    palette?.addItem({ command: id, category: 'fmnb' });
    cellMenu.addItem({ command: id });
  }
}

/** The prompt of the active cell, "" if it is not a `%%fm` cell. */
const activePrompt = (model: SidebarModel) => promptOf(model.notebook?.content.activeCell?.model.sharedModel.source ?? '')?.trim() ?? '';

/** The active cell's source, output and error as text. */
function quotedCell(panel: NotebookPanel): CellContents {
  const shared = panel.content.activeCell?.model.sharedModel;
  const outputs = shared && 'outputs' in shared ? (shared as unknown as { outputs: Parameters<typeof cellContents>[1] }).outputs : [];
  return cellContents(shared?.source ?? '', outputs);
}
