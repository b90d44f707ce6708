/**
 * The tabs of the panel. Those that do not fit its width are in a menu at the end; the selected
 * page always has a tab. A new page is a row in `tabs.ts`: nothing here changes.
 */

import React, { useCallback, useEffect, useRef, useState } from 'react';
import { fitting } from '../fittingTabs';
import type { ViewProps } from './props';
import { TABS, type Tab } from './tabs';

const PADDING = 24; // pixels: of the row, and some air

export function PageTabs(props: ViewProps & { selected: string }): JSX.Element {
  const { model, trans, selected } = props;
  const row = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const { room, widths, watch } = useWidths(row, list);

  const shown = room ? fitting(TABS.map(t => widths[`fmnb-tab-${t.id}`] ?? 0), room, TABS.findIndex(t => t.id === selected)) : TABS.map((_, at) => at);
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
            ref={watch}
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

/** The width of the row and of each tab by its id, as the fonts, the language and the selection make them. A hidden tab keeps its last width. */
function useWidths(row: React.RefObject<HTMLDivElement>, list: React.RefObject<HTMLDivElement>) {
  const [sizes, setSizes] = useState<{ room: number; widths: Record<string, number> }>({ room: 0, widths: {} });
  const [watcher] = useState(
    () =>
      new ResizeObserver(() => {
        const room = (row.current?.clientWidth ?? 0) - PADDING;
        if (room > 0) {
          const tabs = [...list.current!.children].map(tab => [tab.id, (tab as HTMLElement).offsetWidth] as const);
          setSizes(old => {
            const same = room === old.room && tabs.every(([id, width]) => old.widths[id] === width);
            return same ? old : { room, widths: { ...old.widths, ...Object.fromEntries(tabs) } };
          });
        }
      })
  );
  const watch = useCallback((tab: Element | null) => void (tab && watcher.observe(tab)), [watcher]);
  useEffect(() => {
    watcher.observe(row.current!);
    return () => watcher.disconnect();
  }, [watcher]);
  return { ...sizes, watch };
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
    <div className="fm-menu fmnb-Menu" role="menu" aria-label={trans.__('More pages')} ref={menu} onKeyDown={onKey}>
      {pages.map(page => (
        <button key={page.id} role="menuitem" tabIndex={-1} onClick={() => select(page)}>
          {page.label(trans)}
        </button>
      ))}
    </div>
  );
}
