/** The tutorials that come with fmnb, as cards in the launcher. Each opens as a copy in the current folder. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog, showErrorMessage, type ICommandPalette } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { TranslationBundle } from '@jupyterlab/translation';
import { toErrorInfo, type Api } from './api';
import { modelIcon } from './icons';
import type { Tutorial } from './types';

const COMMAND = 'fmnb:open-tutorial';

type Parts = { app: JupyterFrontEnd; palette: ICommandPalette | null; launcher: ILauncher | null; api: Api; trans: TranslationBundle };

export function addTutorials({ app, palette, launcher, api, trans }: Parts): void {
  const { commands } = app;
  let tutorials: Promise<Tutorial[]> | undefined;
  const load = () => (tutorials ??= api.tutorials().catch(reason => ((tutorials = undefined), Promise.reject(reason))));
  const choose = async (): Promise<string | undefined> => {
    const all = await load();
    const { value } = await InputDialog.getItem({ title: trans.__('Open a tutorial'), items: all.map(t => t.title), okLabel: trans.__('Open a copy') });
    return all.find(t => t.title === value)?.name;
  };

  commands.addCommand(COMMAND, {
    label: args => (typeof args.title === 'string' ? args.title : trans.__('Open a Tutorial on Foundation Models…')),
    caption: args => (typeof args.description === 'string' ? args.description : trans.__('Opens a copy in the current folder')),
    icon: modelIcon,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          name: { type: 'string', description: 'Name of a tutorial; without it, a dialog asks' },
          cwd: { type: 'string', description: 'The folder of the copy' }
        }
      }
    },
    execute: async ({ name, cwd }) => {
      try {
        const chosen = typeof name === 'string' ? name : await choose();
        if (chosen) {
          const folder = typeof cwd === 'string' ? app.serviceManager.contents.localPath(cwd) : '';
          const { path } = await api.copyTutorial(chosen, folder);
          return await commands.execute('docmanager:open', { path, factory: 'Notebook' });
        }
      } catch (e) {
        const { message, detail, hint } = toErrorInfo(e);
        await showErrorMessage(trans.__('The tutorial was not opened'), [detail ? `${message}: ${detail}.` : `${message}.`, hint].filter(Boolean).join(' '));
      }
    }
  });
  palette?.addItem({ command: COMMAND, category: 'fmnb' });
  if (launcher) {
    void app.restored
      .then(load)
      .then(all =>
        all.forEach(({ name, title, description }, rank) =>
          launcher.add({ command: COMMAND, args: { name, title, description }, category: trans.__('Foundation models'), rank })
        )
      )
      .catch(reason => console.debug(`fmnb: no tutorials: ${reason}`)); // the panel shows what is missing
  }
}
