/** The current model in the notebook toolbar and the status bar; a click opens the quick picker. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { TextItem } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, ToolbarButtonComponent, UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import { modelIcon } from './icons';
import type { SidebarModel } from './model';
import { shortName } from './modelNames';

type Props = { model: SidebarModel; trans: TranslationBundle; pick: () => void };

/** A short label: the model's short name, and a warning sign if the model cannot be used. */
function summary(model: SidebarModel, trans: TranslationBundle, panel: NotebookPanel | null): { text: string; title: string } {
  const { model: name, by, invalidReason, hint } = model.currentModel(panel);
  const problem = invalidReason || hint;
  const tooltip = trans.__('Model: %1 (%2)', name, by);
  return {
    text: `${shortName(name)}${problem ? ' ⚠' : ''}`,
    title: `${tooltip}${problem ? `\n${problem}` : ''}\n${trans.__('Click to choose.')}`
  };
}

export class ToolbarItem extends ReactWidget {
  constructor(
    private props: Props,
    private panel: NotebookPanel
  ) {
    super();
    this.addClass('fmnb-ToolbarItem');
  }

  protected render(): JSX.Element {
    const { model, trans, pick } = this.props;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const { text, title } = summary(model, trans, this.panel);
          return <ToolbarButtonComponent icon={modelIcon} label={text} tooltip={title} onClick={pick} />;
        }}
      </UseSignal>
    );
  }
}

export class StatusItem extends ReactWidget {
  constructor(private props: Props) {
    super();
    this.addClass('jp-mod-highlighted');
  }

  protected render(): JSX.Element {
    const { model, trans, pick } = this.props;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const { text, title } = summary(model, trans, model.notebook);
          return (
            <TextItem
              role="button"
              tabIndex={0}
              aria-haspopup="dialog"
              title={title}
              source={text}
              onClick={pick}
              onKeyDown={(e: React.KeyboardEvent) => (e.key === 'Enter' || e.key === ' ') && (e.preventDefault(), pick())}
            />
          );
        }}
      </UseSignal>
    );
  }
}
