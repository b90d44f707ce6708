/** The quick picker: a name is typed, arrows choose, Enter takes, Escape leaves all as it was. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import React, { useEffect, useRef, useState } from 'react';
import { isReady, tests } from './filters';
import type { SidebarModel } from './model';
import type { Entry } from './types';
import { costOf, Senses } from './views/modelBadges';

const MOST = 60; // shown at once; more words bring the rest

/** Ask for a model; null if none was taken. The name "" stands for no choice of one's own. */
export function pick(model: SidebarModel, trans: TranslationBundle, title: string, none: string): Promise<string | null> {
  const dialog = document.createElement('dialog');
  dialog.className = 'fmnb-Picker';
  dialog.setAttribute('aria-label', title);
  document.body.append(dialog);
  return new Promise(done => {
    let taken: string | null = null;
    const take = (name: string) => {
      taken = name;
      dialog.close();
    };
    const choices = ReactWidget.create(
      <UseSignal signal={model.changed}>{() => <Choices {...{ model, trans, title, none, take }} />}</UseSignal>
    );
    choices.addClass('fmnb-Picker-body');
    dialog.addEventListener('close', () => {
      choices.dispose();
      dialog.remove();
      done(taken);
    });
    // A press on the shade, which belongs to the dialog itself, leaves.
    dialog.addEventListener('mousedown', e => e.target === dialog && dialog.close());
    Widget.attach(choices, dialog);
    dialog.showModal(); // the browser keeps the focus inside, and gives it back
    void model.open();
  });
}

type Props = {
  model: SidebarModel;
  trans: TranslationBundle;
  title: string;
  /** What the row that takes the choice back is called. */
  none: string;
  take: (name: string) => void;
};

type Choice = { name: string; entry?: Entry };

function Choices({ model, trans, title, none, take }: Props): JSX.Element {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const { catalogue } = model;
  const current = model.standing().model;
  const all = tests(query);
  const fitting = [...catalogue.known.values()]
    .filter(e => e.ready !== 'locked' && !e.model.endsWith('…') && all.every(test => test(e)))
    .sort((a, b) => Number(isReady(b)) - Number(isReady(a)) || Number(b.model === current) - Number(a.model === current));
  const choices: Choice[] = fitting.slice(0, MOST).map(entry => ({ name: entry.model, entry }));
  if (!query) {
    choices.splice(fitting.slice(0, MOST).filter(isReady).length, 0, { name: '' }); // after what can answer now
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
    const timer = query ? setTimeout(() => void catalogue.lookFor(query).catch(() => undefined), 250) : undefined;
    return () => clearTimeout(timer);
  }, [query]);
  const onKey = (e: React.KeyboardEvent) => {
    const to = { ArrowDown: active + 1, ArrowUp: active - 1 + choices.length, PageDown: active + 8, PageUp: active - 8 }[e.key];
    if (to !== undefined && choices.length) {
      setAt(e.key.startsWith('Page') ? Math.max(0, Math.min(choices.length - 1, to)) : to % choices.length);
    } else if (e.key === 'Enter' && choices[active]) {
      take(choices[active].name);
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
        className="jp-mod-styled"
        type="text"
        role="combobox"
        aria-label={trans.__('Model')}
        aria-expanded="true"
        aria-controls="fmnb-pick"
        aria-activedescendant={choices.length ? `fmnb-pick-${active}` : undefined}
        placeholder={trans.__('A name, or words like local, free, vision')}
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
            className="fmnb-Pick"
            onMouseMove={() => setAt(i)}
            onClick={() => take(name)}
          >
            <span className="fmnb-Line">
              <span className="fmnb-Name">{name || none}</span>
              {name !== '' && name === current && <span className="fmnb-Badge">{trans.__('in use')}</span>}
              {entry && <Senses entry={entry} trans={trans} />}
            </span>
            {entry && <span className="fmnb-Quiet">{isReady(entry) ? costOf(entry, trans) : trans.__('first: %1', entry.ready)}</span>}
          </li>
        ))}
      </ul>
      <p className="fmnb-Quiet" role="status">
        {model.serverTrouble
          ? `${model.serverTrouble.message}. ${model.serverTrouble.hint}`
          : fitting.length === 0 && catalogue.asked
            ? trans.__('No model fits these words.')
            : fitting.length > MOST
              ? trans.__('%1 more: type to narrow them down', fitting.length - MOST)
              : ''}
      </p>
    </>
  );
}
