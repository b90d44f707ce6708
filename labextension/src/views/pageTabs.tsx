/**
 * The tabs of the panel. Those that do not fit its width are in a menu at the end; the selected
 * page always has a tab. A new page is a row in `tabs.ts`: nothing here changes.
 */

import React, { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { fitting } from '../fittingTabs';
import type { ViewProps } from './props';
import { TABS, type Tab } from './tabs';

const PADDING = 24; // pixels: of the row, and what the bold label of the selected tab takes more

export function PageTabs(props: ViewProps & { selected: string }): JSX.Element {
  const { model, trans, selected } = props;
  const row = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const widths = useRef<number[]>([]);
  const [room, setRoom] = useState(0);
  const [open, setOpen] = useState(false);
  const [measured, setMeasured] = useState(false);
  useLayoutEffect(() => {
    if (!measured && row.current!.clientWidth) {
      widths.current = [...list.current!.children].map(tab => (tab as HTMLElement).offsetWidth);
      setMeasured(true);
    }
  });
  useEffect(() => {
    let size = '';
    const watcher = new ResizeObserver(() => {
      const now = getComputedStyle(row.current!).fontSize;
      size && size !== now && setMeasured(false); // another size of the interface's font
      size = now;
      setRoom(row.current!.clientWidth - PADDING);
    });
    watcher.observe(row.current!);
    return () => watcher.disconnect();
  }, []);

  const shown = measured ? fitting(widths.current, room, TABS.findIndex(t => t.id === selected)) : TABS.map((_, at) => at);
  const rest = TABS.filter((_, at) => !shown.includes(at));
  const select = (tab: Tab) => {
    setOpen(false);
    model.show(tab.id);
    requestAnimationFrame(() => document.getElementById(`fmnb-tab-${tab.id}`)?.focus());
  };
  const onKey = (e: React.KeyboardEvent) => {
    const at = shown.findIndex(i => TABS[i].id === selected);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + shown.length, Home: 0, End: shown.length - 1 }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      select(TABS[shown[to % shown.length]]);
    }
  };
  return (
    <div className="fmnb-TabRow" ref={row}>
      <div className="fmnb-Tabs" role="tablist" aria-label={trans.__('Views of fmnb')} ref={list} onKeyDown={onKey}>
        {shown.map(i => TABS[i]).map(t => (
          <button
            key={t.id}
            id={`fmnb-tab-${t.id}`}
            className="fmnb-Tab"
            role="tab"
            aria-selected={t.id === selected}
            aria-controls={t.id === selected ? `fmnb-view-${t.id}` : undefined}
            tabIndex={t.id === selected ? 0 : -1}
            onClick={() => model.show(t.id)}
          >
            {t.label(trans)}
          </button>
        ))}
      </div>
      {rest.length > 0 && (
        <div className="fmnb-MorePages" onBlur={e => !e.currentTarget.contains(e.relatedTarget) && setOpen(false)}>
          <button
            className="fmnb-Tab"
            aria-haspopup="menu"
            aria-expanded={open}
            title={trans.__('More pages')}
            onClick={() => setOpen(!open)}
            onKeyDown={e => e.key === 'ArrowDown' && (e.preventDefault(), setOpen(true))}
          >
            {trans.__('More')}
          </button>
          {open && <PageMenu pages={rest} select={select} close={() => setOpen(false)} trans={trans} />}
        </div>
      )}
    </div>
  );
}

type MenuProps = { pages: readonly Tab[]; select: (page: Tab) => void; close: () => void; trans: ViewProps['trans'] };

function PageMenu({ pages, select, close, trans }: MenuProps): JSX.Element {
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => (menu.current!.firstElementChild as HTMLElement).focus(), []);
  const onKey = (e: React.KeyboardEvent) => {
    const items = [...menu.current!.children] as HTMLElement[];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[e.key];
    if (to !== undefined) {
      items[to % items.length].focus();
    } else if (e.key === 'Escape') {
      (menu.current!.previousElementSibling as HTMLElement).focus();
      close();
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <div className="fmnb-Menu" role="menu" aria-label={trans.__('More pages')} ref={menu} onKeyDown={onKey}>
      {pages.map(page => (
        <button key={page.id} role="menuitem" tabIndex={-1} onClick={() => select(page)}>
          {page.label(trans)}
        </button>
      ))}
    </div>
  );
}
