/** The sidebar panel: tabs, notices and the selected view. */

import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import { modelIcon } from './icons';
import { Notices } from './views/notices';
import type { ViewProps } from './views/props';
import { TABS } from './views/tabs';

export class SidebarPanel extends ReactWidget {
  constructor(private props: ViewProps) {
    super();
    this.id = 'fmnb-panel';
    this.addClass('fmnb-Panel');
    this.title.icon = modelIcon;
    this.title.caption = props.trans.__('Foundation models');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
  }

  protected onAfterShow(): void {
    void this.props.model.open();
  }

  /** On activation, focus the field of a key that is being entered, else the first control of the view. */
  protected onActivateRequest(): void {
    const first = (selector: string) => this.node.querySelector<HTMLElement>(selector);
    void this.renderPromise?.then(() => (first('[role=tabpanel] input[type=password]') ?? first('[role=tabpanel] input, [role=tab][tabindex="0"]'))?.focus());
  }

  protected render(): JSX.Element {
    return <UseSignal signal={this.props.model.changed}>{() => <PanelBody {...this.props} />}</UseSignal>;
  }
}

function PanelBody(props: ViewProps): JSX.Element {
  const { model, trans } = props;
  const { id, view: View } = TABS.find(t => t.id === model.tab) ?? TABS[0];
  return (
    <>
      <div className="fmnb-Tabs" role="tablist" aria-label={trans.__('Views of fmnb')} onKeyDown={e => onTabKey(e, props, id)}>
        {TABS.map(t => (
          <button
            key={t.id}
            id={`fmnb-tab-${t.id}`}
            className="fmnb-Tab"
            role="tab"
            aria-selected={t.id === id}
            aria-controls={t.id === id ? `fmnb-view-${t.id}` : undefined}
            tabIndex={t.id === id ? 0 : -1}
            onClick={() => model.show(t.id)}
          >
            {t.label(trans)}
          </button>
        ))}
      </div>
      <Notices {...props} />
      <div className="fmnb-View" key={id} id={`fmnb-view-${id}`} role="tabpanel" aria-labelledby={`fmnb-tab-${id}`}>
        <View {...props} />
      </div>
      <div className="fmnb-VisuallyHidden" role="status">
        {model.status}
      </div>
    </>
  );
}

function onTabKey(e: React.KeyboardEvent, { model }: ViewProps, id: string): void {
  const at = TABS.findIndex(t => t.id === id);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + TABS.length, Home: 0, End: TABS.length - 1 }[e.key];
  if (to !== undefined) {
    const next = TABS[to % TABS.length].id;
    e.preventDefault();
    model.show(next);
    (e.currentTarget.querySelector(`#fmnb-tab-${next}`) as HTMLElement).focus();
  }
}
