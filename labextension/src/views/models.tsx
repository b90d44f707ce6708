/**
 * All models, to search, inspect and choose. A tree grid: groups, models, and the details of one.
 * The focus stays on the list; arrows, Home and End move in it, Enter or → opens the details,
 * Space selects a model, Ctrl+Enter uses it in the notebook, / focuses the search.
 */

import { refreshIcon } from '@jupyterlab/ui-components';
import React, { useEffect, useRef, useState } from 'react';
import { BUILT_IN_BY } from '../model';
import { CHIPS } from '../catalog';
import { isReady } from '../filters';
import { lockIcon } from '../icons';
import { shortName } from '../modelNames';
import type { Entry, HubModel } from '../types';
import { bytes, count } from '../format';
import { Compare } from './compare';
import { EntryDetails, HubDetails } from './details';
import { CurrentNotebook } from './currentNotebook';
import { ModelName } from './modelName';
import { costLabel, Modalities, LabeledIcon, stateLabel } from './modelBadges';
import type { ViewProps } from './props';
import { VirtualList } from './virtualList';

type GroupRow = { kind: 'group'; key: string; height: number; label: string; size: number; note: string };
type ModelRow = { kind: 'model'; key: string; height: number; entry: Entry; at: number; of: number };
type HubRow = { kind: 'hub'; key: string; height: number; found: HubModel; at: number; of: number };
type DetailsRow = { kind: 'details'; key: string; height: 0; of: ModelRow | HubRow };
type NoteRow = { kind: 'note'; key: string; height: number; text: string };
type AnyRow = GroupRow | ModelRow | HubRow | DetailsRow | NoteRow;

export function Models(props: ViewProps): JSX.Element {
  const { model, commands, trans } = props;
  const { catalog } = model;
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState('');
  const [active, setActive] = useState('');
  const search = useRef<HTMLInputElement>(null);
  const root = useRef<HTMLDivElement>(null);
  const [lineHeight, setLine] = useState(18);
  useEffect(() => {
    // Rows grow with the font size of the interface.
    const size = parseFloat(getComputedStyle(root.current!).fontSize);
    setLine(Math.round(size * 1.4));
  });

  const rows = rowsOf(props, closed, opened, lineHeight);
  const stops = rows.filter(r => r.kind !== 'details' && r.kind !== 'note');
  const activeRow = stops.find(r => r.key === active);

  const toggle = (row: AnyRow) => {
    if (row.kind === 'group') {
      const now = new Set(closed);
      now.delete(row.key) || now.add(row.key);
      setClosed(now);
    } else {
      setOpened(opened === row.key ? '' : row.key);
    }
  };
  const onKey = (e: React.KeyboardEvent) => {
    if ((e.target as HTMLElement).closest('.fmnb-Details') && e.key !== 'Escape') {
      return;
    }
    const at = stops.findIndex(r => r.key === active);
    const go = (to: number) => setActive(stops[Math.max(0, Math.min(stops.length - 1, to))]?.key ?? '');
    const isOpen = activeRow && (activeRow.kind === 'group' ? !closed.has(activeRow.key) : opened === activeRow.key);
    if (e.key === 'ArrowDown') {
      go(at + 1);
    } else if (e.key === 'ArrowUp') {
      go(at < 0 ? 0 : at - 1);
    } else if (e.key === 'PageDown' || e.key === 'PageUp') {
      go(at + (e.key === 'PageDown' ? 10 : -10));
    } else if (e.key === 'Home') {
      go(0);
    } else if (e.key === 'End') {
      go(stops.length - 1);
    } else if (e.key === 'Enter' && activeRow?.kind === 'model' && (e.ctrlKey || e.metaKey)) {
      void commands.execute('fmnb:use-model', { model: activeRow.entry.model });
    } else if (e.key === 'Enter' && activeRow) {
      toggle(activeRow);
    } else if (e.key === 'ArrowRight' && activeRow && !isOpen) {
      toggle(activeRow);
    } else if (e.key === 'ArrowLeft' && activeRow && isOpen) {
      toggle(activeRow);
    } else if (e.key === 'ArrowLeft' && activeRow && activeRow.kind !== 'group') {
      go(at - 1 - stops.slice(0, at).reverse().findIndex(r => r.kind === 'group'));
    } else if (e.key === ' ' && activeRow?.kind === 'model') {
      catalog.toggleSelected(activeRow.entry.model);
    } else if (e.key === 'Escape') {
      root.current!.querySelector<HTMLElement>('[role=treegrid]')!.focus();
    } else if (e.key === '/') {
      search.current!.focus();
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };

  const draw = (row: AnyRow) => {
    switch (row.kind) {
      case 'group':
        return (
          <div
            id={idOf(row.key)}
            className="fmnb-Group"
            role="row"
            aria-level={1}
            aria-expanded={!closed.has(row.key)}
            data-active={row.key === active || undefined}
            onClick={() => (setActive(row.key), toggle(row))}
          >
            <div role="gridcell" className="fmnb-Line">
              <span className="fmnb-Caret" aria-hidden="true" />
              <span className="fmnb-GroupName">{row.label}</span>
              <span className="fmnb-Secondary">{row.note || row.size}</span>
            </div>
          </div>
        );
      case 'note':
        return (
          <div className="fmnb-Row fmnb-Secondary" role="row" aria-level={2}>
            <div role="gridcell">{row.text}</div>
          </div>
        );
      case 'details':
        return (
          <div className="fmnb-Details" role="row" aria-level={3}>
            <div role="gridcell">
              {row.of.kind === 'model' ? <EntryDetails {...props} entry={row.of.entry} /> : <HubDetails {...props} found={row.of.found} />}
            </div>
          </div>
        );
      default:
        return (
          <div
            id={idOf(row.key)}
            className="fmnb-Row"
            role="row"
            aria-level={2}
            aria-posinset={row.at}
            aria-setsize={row.of}
            aria-expanded={opened === row.key}
            aria-selected={row.kind === 'model' ? catalog.selected.includes(row.entry.model) : undefined}
            data-active={row.key === active || undefined}
            onClick={() => (setActive(row.key), toggle(row))}
          >
            {row.kind === 'model' ? <ModelCells {...props} entry={row.entry} /> : <HubCells found={row.found} />}
          </div>
        );
    }
  };

  const none = catalog.fetchedAt > 0 && !rows.some(r => r.kind === 'group' && r.size > 0);
  return (
    <div className="fmnb-Models" ref={root} data-compact={model.compact || undefined}>
      <CurrentNotebook {...props} />
      <div className="fmnb-Search">
        <input
          ref={search}
          type="search"
          className="fm-input"
          aria-label={trans.__('Search models')}
          placeholder={trans.__('Search models')}
          title={trans.__('Names, providers, licenses; also local, free, vision, <4GB, >100k. Press / in the list to search.')}
          value={catalog.query}
          spellCheck={false}
          onChange={e => catalog.search(e.target.value)}
          onKeyDown={e => {
            if (e.key === 'ArrowDown' || e.key === 'Enter') {
              e.preventDefault();
              setActive(stops.find(r => r.kind === 'model' || r.kind === 'hub')?.key ?? stops[0]?.key ?? '');
              root.current!.querySelector<HTMLElement>('[role=treegrid]')!.focus();
            } else if (e.key === 'Escape' && catalog.query) {
              e.stopPropagation();
              catalog.search('');
            }
          }}
        />
        <button
          className="fm-button fm-quiet fmnb-Icon"
          title={trans.__('Refresh: query servers and services again')}
          aria-label={trans.__('Refresh')}
          aria-busy={catalog.loading}
          onClick={() => void commands.execute('fmnb:refresh')}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      <div className="fmnb-Chips" role="group" aria-label={trans.__('Filters')}>
        {CHIPS.map(word => (
          <button key={word} className="fm-chip" aria-pressed={catalog.chips.has(word)} onClick={() => catalog.toggleChip(word)}>
            {word}
          </button>
        ))}
      </div>
      {catalog.error && <p className="fmnb-Secondary">{`${catalog.error.message}. ${catalog.error.hint}`}</p>}
      <VirtualList
        rows={rows}
        draw={draw}
        active={active}
        attributes={{
          className: 'fmnb-List',
          role: 'treegrid',
          tabIndex: 0,
          'aria-label': trans.__('Models'),
          'aria-multiselectable': true,
          'aria-rowcount': rows.length,
          'aria-activedescendant': activeRow ? idOf(activeRow.key) : undefined,
          onKeyDown: onKey,
          onFocus: e => e.target === e.currentTarget && !activeRow && setActive(stops[0]?.key ?? '')
        }}
      />
      {none && <p className="fm-empty">{trans.__('No model matches.')}</p>}
      {!catalog.fetchedAt && catalog.loading && <p className="fm-empty">{trans.__('Loading models…')}</p>}
      <Compare {...props} />
    </div>
  );
}

function rowsOf({ model, trans }: ViewProps, closed: ReadonlySet<string>, opened: string, line: number): AnyRow[] {
  const { catalog } = model;
  const rows: AnyRow[] = [];
  const short = line + 8;
  const tall = model.compact ? short : 2 * line + 9;
  const group = (key: string, label: string, size: number, note = '') => {
    rows.push({ kind: 'group', key, height: short, label, size, note });
    return !closed.has(key);
  };
  const add = (row: ModelRow | HubRow) => {
    rows.push(row);
    if (row.key === opened) {
      rows.push({ kind: 'details', key: `${row.key} details`, height: 0, of: row });
    }
  };
  const titles = {
    ready: trans.__('Ready'),
    needs: trans.__('Needs setup'),
    locked: trans.__('Locked by the administrator')
  };
  for (const [name, entries] of Object.entries(catalog.groups) as [keyof typeof titles, Entry[]][]) {
    if (entries.length && group(name, titles[name], entries.length)) {
      entries.forEach((entry, i) => add({ kind: 'model', key: entry.model, height: tall, entry, at: i + 1, of: entries.length }));
    }
  }
  const { hub, hubLoading: hubBusy, hubError: hubProblem, query } = catalog;
  if (query.trim() && model.about) {
    const note = hubBusy ? trans.__('searching…') : hubProblem ? trans.__('no response') : '';
    if (group('hub', trans.__('Hugging Face hub'), hub.length, note)) {
      if (hubProblem && !hubBusy) {
        rows.push({ kind: 'note', key: 'hub note', height: tall, text: hubProblem });
      }
      hub.forEach((found, i) => add({ kind: 'hub', key: `hub ${found.source}`, height: tall, found, at: i + 1, of: hub.length }));
    }
  }
  return rows;
}

const idOf = (key: string) => `fmnb-row-${key.replace(/[^\w-]/g, c => `_${c.codePointAt(0)!.toString(16)}`)}`;

function ModelCells({ model, commands, entry, trans }: ViewProps & { entry: Entry }): JSX.Element {
  const selected = model.catalog.selected.includes(entry.model);
  const force = model.currentModel();
  const current = force.model === entry.model;
  const chosen = current && force.by !== BUILT_IN_BY; // the model that comes with fmnb can still be chosen, to keep it
  const provider = entry.model.includes(':') ? entry.model.slice(0, entry.model.indexOf(':')) : '';
  return (
    <>
      <div role="gridcell" className="fmnb-SelectCell">
        <span
          className="fmnb-Checkbox"
          aria-hidden="true"
          data-on={selected || undefined}
          title={trans.__('Select for comparison (Space)')}
          onClick={e => (e.stopPropagation(), model.catalog.toggleSelected(entry.model))}
        />
      </div>
      <div role="gridcell" className="fmnb-Main">
        <div className="fmnb-Line">
          <ModelName name={shortName(entry.model)} title={entry.model} />
          {current && <span className="fm-chip">{trans.__('in use')}</span>}
          {entry.ready === 'loaded' && <span className="fm-chip">{trans.__('in memory')}</span>}
          {entry.ready === 'locked' && <LabeledIcon icon={lockIcon} label={entry.note} />}
          <Modalities entry={entry} trans={trans} />
          <span className="fmnb-State">{stateLabel(entry, trans)}</span>
        </div>
        <div className="fmnb-Line fmnb-Secondary">
          <span className="fmnb-Meta" title={entry.context ? trans.__('%1 tokens of context', entry.context.toLocaleString()) : undefined}>
            {entry.local
              ? join(trans.__('local'), provider, folderOf(entry.model), entry.context && count(entry.context))
              : join(provider || entry.provider, folderOf(entry.model), entry.context && count(entry.context))}
          </span>
          <span className="fmnb-Cost">{costLabel(entry, trans)}</span>
        </div>
      </div>
      <div role="gridcell" className="fmnb-Use">
        {isReady(entry) && model.notebook && !chosen && !entry.model.endsWith('…') && (
          <button
            className="fm-button"
            tabIndex={-1}
            title={trans.__('Use %1 in this notebook (Ctrl+Enter)', entry.model)}
            aria-label={trans.__('Use %1 in this notebook', entry.model)}
            onClick={e => (e.stopPropagation(), void commands.execute('fmnb:use-model', { model: entry.model }))}
          >
            {trans.__('Use')}
          </button>
        )}
      </div>
    </>
  );
}

const join = (...facts: (string | number | null | 0)[]) => facts.filter(Boolean).join(' · ');
/** Who made a model, where a service names it so: `openrouter:openai/gpt-oss-120b`. */
const folderOf = (model: string) => /^[\w-]+:([^/:]+)\/[^/]+$/.exec(model)?.[1] ?? '';

function HubCells({ found }: { found: HubModel }): JSX.Element {
  const name = found.source.replace(/^hf:/, '');
  return (
    <div role="gridcell" className="fmnb-Main fmnb-Hub">
      <div className="fmnb-Line">
        <ModelName name={name} title={found.source} />
      </div>
      <div className="fmnb-Line fmnb-Secondary">
        <span className="fmnb-Meta">
          {[found.task, found.license, found.files.length && `${found.files.length} GGUF`, found.downloads && `${count(found.downloads)} ↓`]
            .filter(Boolean)
            .join(' · ')}
        </span>
        {found.size !== null && <span className="fmnb-Cost">{bytes(found.size)}</span>}
      </div>
    </div>
  );
}
