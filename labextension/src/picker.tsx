/** The quick picker: type to search, arrows to move, Enter to choose, Escape to cancel. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import React, { useEffect, useRef, useState } from 'react';
import { isReady, matchers } from './filters';
import type { SidebarModel } from './model';
import type { Entry } from './types';
import { ModelName } from './views/modelName';
import { costLabel, Modalities } from './views/modelBadges';

const MAX_SHOWN = 60; // rows shown at once

/** Let the user choose a model. Null if canceled; "" clears the choice. */
export function pick(model: SidebarModel, trans: TranslationBundle, title: string, clearLabel: string): Promise<string | null> {
  const dialog = document.createElement('dialog');
  dialog.className = 'fmnb-Picker';
  dialog.setAttribute('aria-label', title);
  document.body.append(dialog);
  return new Promise(done => {
    let chosen: string | null = null;
    const choose = (name: string) => {
      chosen = name;
      dialog.close();
    };
    const choices = ReactWidget.create(
      <UseSignal signal={model.changed}>{() => <Choices {...{ model, trans, title, clearLabel, choose }} />}</UseSignal>
    );
    choices.addClass('fmnb-Picker-body');
    dialog.addEventListener('close', () => {
      choices.dispose();
      dialog.remove();
      done(chosen);
    });
    // A click on the backdrop, which is part of the dialog element, cancels.
    dialog.addEventListener('mousedown', e => e.target === dialog && dialog.close());
    Widget.attach(choices, dialog);
    dialog.showModal(); // the browser traps the focus and restores it
    void model.open();
  });
}

type Props = {
  model: SidebarModel;
  trans: TranslationBundle;
  title: string;
  /** Label of the row that clears the choice. */
  clearLabel: string;
  choose: (name: string) => void;
};

type Choice = { name: string; entry?: Entry };

function Choices({ model, trans, title, clearLabel, choose }: Props): JSX.Element {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const { catalog } = model;
  const current = model.currentModel().model;
  const all = matchers(query);
  const fitting = [...catalog.entries.values()]
    .filter(e => e.ready !== 'locked' && !e.model.endsWith('…') && e.outputs.includes('text') && all.every(test => test(e)))
    .sort((a, b) => Number(isReady(b)) - Number(isReady(a)) || Number(b.model === current) - Number(a.model === current));
  const choices: Choice[] = fitting.slice(0, MAX_SHOWN).map(entry => ({ name: entry.model, entry }));
  if (!query) {
    choices.splice(fitting.slice(0, MAX_SHOWN).filter(isReady).length, 0, { name: '' }); // below the models that are ready
  }
  const active = Math.min(at, choices.length - 1);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    box.current!.focus();
  }, []);
  useEffect(() => {
    setAt(0);
  }, [query]);
  useEffect(() => {
    document.getElementById(`fmnb-pick-${active}`)?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  useEffect(() => {
    const timer = query ? setTimeout(() => void catalog.searchName(query).catch(() => undefined), 250) : undefined;
    return () => clearTimeout(timer);
  }, [query]);
  const onKey = (e: React.KeyboardEvent) => {
    const to = { ArrowDown: active + 1, ArrowUp: active - 1 + choices.length, PageDown: active + 8, PageUp: active - 8 }[e.key];
    if (to !== undefined && choices.length) {
      setAt(e.key.startsWith('Page') ? Math.max(0, Math.min(choices.length - 1, to)) : to % choices.length);
    } else if (e.key === 'Enter' && choices[active]) {
      choose(choices[active].name);
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <>
      <h2>{title}</h2>
      <input
        ref={box}
        className="fm-input"
        type="text"
        role="combobox"
        aria-label={trans.__('Model')}
        aria-expanded="true"
        aria-controls="fmnb-pick"
        aria-activedescendant={choices.length ? `fmnb-pick-${active}` : undefined}
        placeholder={trans.__('A name, or filters such as local, free, vision')}
        value={query}
        spellCheck={false}
        autoComplete="off"
        onChange={e => setQuery(e.target.value)}
        onKeyDown={onKey}
      />
      <ul id="fmnb-pick" role="listbox" aria-label={title}>
        {choices.map(({ name, entry }, i) => (
          <li
            key={name}
            id={`fmnb-pick-${i}`}
            role="option"
            aria-selected={i === active}
            className="fmnb-PickerRow"
            onMouseMove={() => setAt(i)}
            onClick={() => choose(name)}
          >
            <span className="fmnb-Line">
              {name ? <ModelName name={name} /> : <span>{clearLabel}</span>}
              {name !== '' && name === current && <span className="fm-chip">{trans.__('in use')}</span>}
              {entry && <Modalities entry={entry} trans={trans} />}
            </span>
            {entry && <span className="fmnb-Secondary">{isReady(entry) ? costLabel(entry, trans) : trans.__('run first: %1', entry.ready)}</span>}
          </li>
        ))}
      </ul>
      <p className="fmnb-Secondary" role="status">
        {model.serverError
          ? `${model.serverError.message}. ${model.serverError.hint}`
          : fitting.length === 0 && catalog.fetchedAt
            ? trans.__('No model matches.')
            : fitting.length > MAX_SHOWN
              ? trans.__('%1 more; type to narrow the list', fitting.length - MAX_SHOWN)
              : ''}
      </p>
    </>
  );
}
