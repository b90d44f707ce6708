/** The sidebar panel: tabs, notices and the selected view. */

import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';
import { modelIcon } from './icons';
import { restoreFocus } from './restoreFocus';
import { Notices } from './views/notices';
import { PageTabs } from './views/pageTabs';
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

  /** On activation, focus what the keys work on: a key that is being entered, the list of models, or the first control of the view. */
  protected onActivateRequest(): void {
    const targets = ['input[type=password]', '[role=treegrid]', ':is(input, button):not(:disabled)'].map(of => `[role=tabpanel] ${of}`);
    void this.renderPromise?.then(() => this.find([...targets, '[role=tab]'])?.focus());
  }

  private find(selectors: string[]): HTMLElement | undefined {
    return selectors.map(selector => this.node.querySelector<HTMLElement>(selector)).find(Boolean) ?? undefined;
  }

  /** `/` searches, wherever the focus is in the panel. */
  handleEvent(event: Event): void {
    const e = event as KeyboardEvent;
    if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || (e.target as HTMLElement).matches('input, textarea, select')) {
      return;
    }
    const search = this.node.querySelector<HTMLInputElement>('[role=tabpanel] input[type=search]');
    if (search) {
      e.preventDefault();
      search.focus();
    }
  }

  protected onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.node.addEventListener('keydown', this);
    // The list, or the tab: the next button of the page is about something else.
    const places = ['[role=tabpanel] [role=treegrid]', '[role=tab][aria-selected=true]'];
    this.stopRestoring = restoreFocus(this.node, () => this.find(places));
  }

  protected onBeforeDetach(msg: Message): void {
    this.node.removeEventListener('keydown', this);
    this.stopRestoring();
    super.onBeforeDetach(msg);
  }

  private stopRestoring = () => {};

  protected render(): JSX.Element {
    return <UseSignal signal={this.props.model.changed}>{() => <PanelBody {...this.props} />}</UseSignal>;
  }
}

function PanelBody(props: ViewProps): JSX.Element {
  const { model } = props;
  const { id, view: View } = TABS.find(t => t.id === model.tab) ?? TABS[0];
  return (
    <>
      <PageTabs {...props} selected={id} />
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
