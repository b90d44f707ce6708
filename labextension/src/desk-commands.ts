/** Commands about runs, prompts and cells, their places in menus, and the card of the launcher. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, type ICommandPalette } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { aboutCell, explainOutput, fixError, promptCell, quote, type Quoted } from './cellmenu';
import { modelIcon } from './icons';
import type { SidebarModel } from './model';
import { insertCell } from './notebooks';
import { RunView } from './runview';

type Parts = { app: JupyterFrontEnd; palette: ICommandPalette | null; launcher: ILauncher | null; model: SidebarModel; trans: TranslationBundle };

export function addDeskCommands({ app, palette, launcher, model, trans }: Parts): void {
  const { commands } = app;
  const notebook = () => model.notebook !== null;
  const args = (names: Record<string, string>) => ({
    args: { type: 'object' as const, properties: Object.fromEntries(Object.entries(names).map(([n, d]) => [n, { type: 'string' as const, description: d }])) }
  });

  commands.addCommand('fmnb:open-run', {
    label: trans.__('Open a Run of a Foundation Model'),
    describedBy: args({ run: 'A run’s id' }),
    execute: ({ run }) =>
      model.attempt(async () => {
        const id = `fmnb-main-${run}`;
        const open = [...app.shell.widgets('main')].find(w => w.id === id);
        if (!open) {
          const widget = new MainAreaWidget({ content: new RunView(await model.desk.run(String(run)), trans) });
          widget.id = id;
          app.shell.add(widget, 'main');
        }
        app.shell.activateById(id);
      })
  });
  commands.addCommand('fmnb:insert-prompt', {
    label: trans.__('Insert a Question as a Cell'),
    describedBy: args({ text: 'The question', model: 'A model’s name', system: 'A system prompt' }),
    isEnabled: notebook,
    execute: ({ text, model: name, system }) =>
      insertCell(model.notebook!, promptCell(String(text ?? ''), String(name ?? ''), String(system ?? ''), name !== undefined))
  });

  const cells: [string, string, (q: Quoted) => string, (q: Quoted) => boolean][] = [
    ['fmnb:ask-about-cell', trans.__('Ask About This Cell'), aboutCell, q => Boolean(q.source.trim())],
    ['fmnb:explain-output', trans.__('Explain This Output'), explainOutput, q => Boolean(q.output)],
    ['fmnb:fix-error', trans.__('Fix This Error'), fixError, q => Boolean(q.error)]
  ];
  for (const [at, [id, label, ask, fits]] of cells.entries()) {
    commands.addCommand(id, {
      label,
      caption: trans.__('Inserts a %%fm cell that shows what would be sent; nothing is sent until you run it'),
      icon: modelIcon,
      describedBy: args({}),
      isEnabled: () => notebook() && fits(quotedCell(model.notebook!)),
      execute: () => insertCell(model.notebook!, ask(quotedCell(model.notebook!)))
    });
    palette?.addItem({ command: id, category: 'fmnb' });
    app.contextMenu.addItem({ command: id, selector: '.jp-Notebook .jp-CodeCell', rank: 20 + at / 10 });
  }

  commands.addCommand('fmnb:first-steps', {
    label: args => (args.isLauncher ? trans.__('First steps') : trans.__('New Notebook: First Steps with Foundation Models')),
    caption: trans.__('A new notebook with the first cells of fmnb'),
    icon: modelIcon,
    describedBy: args({ cwd: 'The folder of the new notebook' }),
    execute: async ({ cwd }) => {
      const panel: NotebookPanel = await commands.execute('notebook:create-new', { cwd, kernelName: await defaultKernel(app) });
      await panel.context.ready;
      const { sharedModel } = panel.content.model!;
      sharedModel.transact(() => {
        sharedModel.deleteCellRange(0, sharedModel.cells.length);
        FIRST.forEach((source, i) =>
          sharedModel.insertCell(i, { cell_type: source.startsWith('#') ? 'markdown' : 'code', source, metadata: { trusted: true } })
        );
      });
      return panel;
    }
  });
  palette?.addItem({ command: 'fmnb:first-steps', category: 'fmnb' });
  launcher?.add({ command: 'fmnb:first-steps', args: { isLauncher: true }, category: trans.__('Foundation models'), rank: 1 });
}

const FIRST = [
  '# Foundation models in a notebook\n\nRun the cells from top to bottom. The first model needs no key, no graphics card and no internet.',
  '%load_ext fmnb',
  '%fm models local',
  '%%fm embedded\nExplain in two sentences what the median of a column of numbers is.',
  'numbers = [3, 5, 8, 100]',
  '%%fm embedded --dry\nWhat is unusual about these numbers? {{ numbers }}'
];

async function defaultKernel(app: JupyterFrontEnd): Promise<string | undefined> {
  await app.serviceManager.kernelspecs.ready;
  return app.serviceManager.kernelspecs.specs?.default;
}

/** The active cell's source, output and error as text. */
function quotedCell(panel: NotebookPanel): Quoted {
  const shared = panel.content.activeCell?.model.sharedModel;
  const outputs = shared && 'outputs' in shared ? (shared as unknown as { outputs: Parameters<typeof quote>[1] }).outputs : [];
  return quote(shared?.source ?? '', outputs);
}
