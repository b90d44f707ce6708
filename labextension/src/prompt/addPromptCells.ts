/** Wiring of prompt cells: JupyterLab's editors, languages, completer and commands. */

import { indentUnit } from '@codemirror/language';
import { EditorView } from '@codemirror/view';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { EditorExtensionRegistry, type IEditorExtensionRegistry, type IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { ICompletionProviderManager } from '@jupyterlab/completer';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { SidebarModel } from '../model';
import { PromptCompletions, pickerTrigger } from './completions';
import { optionHover } from './hover';
import { promptLanguage } from './language';
import { PromptCells, promptExtension } from './promptCells';

type Parts = {
  app: JupyterFrontEnd;
  extensions: IEditorExtensionRegistry;
  languages: IEditorLanguageRegistry;
  completions: ICompletionProviderManager | null;
  model: SidebarModel;
  trans: TranslationBundle;
};

export function addPromptCells({ app, extensions, languages, completions, model, trans }: Parts): PromptCells {
  const cells = new PromptCells();
  const { commands } = app;
  const hasFmnb = () => Boolean(model.kernels.of(model.notebook));
  const openPicker = (view: EditorView) => {
    if (view.hasFocus && view.dom.closest('.jp-Notebook') && hasFmnb()) {
      void commands.execute('completer:invoke-notebook');
    }
  };
  const prompts = new PromptCompletions(line => cells.includes(line), () => model.catalog.entries.values(), hasFmnb);
  void Promise.all([languages.getLanguage('text/x-ipythongfm'), languages.getLanguage('text/x-ipython')]).then(([markdown, python]) => {
    if (markdown?.support && python?.support) {
      const language = promptLanguage(markdown.support, python.support);
      cells.load(promptExtension(language, markdown.support.support, [optionHover(trans), pickerTrigger(openPicker), prompts.deleteDot]));
    }
  });
  extensions.addExtension({
    name: 'fmnb:prompt',
    factory: ({ model: cell }) =>
      (cell as { type?: string }).type === 'code'
        ? EditorExtensionRegistry.createImmutableExtension(cells.editorExtension(cell.sharedModel.getSource()))
        : null
  });
  completions?.registerProvider(prompts);
  commands.addCommand('fmnb:indent-prompt', {
    label: trans.__('Indent in a Prompt'),
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => {
      const view = document.activeElement && EditorView.findFromDOM(document.activeElement as HTMLElement);
      view?.dispatch(view.state.update(view.state.replaceSelection(view.state.facet(indentUnit)), { scrollIntoView: true, userEvent: 'input' }));
    }
  });
  return cells;
}
