/** API keys of services: set, test, remove. The page sends a key once and does not store it. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import React from 'react';
import type { KeyState } from '../types';
import type { ViewProps } from './props';
import { withCode } from './withCode';

export function Keys(props: ViewProps): JSX.Element {
  const { model, trans } = props;
  const open = model.data.openedKey;
  React.useEffect(() => void model.data.open('keys', ''), [model.about]);
  const keys = model.data.keys;
  const state = model.kernels.of(model.notebook)?.state;
  const otherHost = model.about && state?.host && state.host !== model.about.host;
  const found = keys?.filter(k => k.source) ?? [];
  const others = keys?.filter(k => !k.source) ?? [];
  return (
    <div className="fmnb-Scroll">
      <p className="fmnb-Secondary fmnb-Intro">
        {trans.__('Keys are stored on %1, where all your kernels read them. They are never sent back to this page.', model.about?.host ?? trans.__('the machine where Jupyter Server runs'))}{' '}
        {trans.__('A key in an environment variable belongs to Jupyter Server; a kernel started in another way may not have it.')}
      </p>
      {otherHost && (
        <p className="fmnb-Warning fmnb-Intro">
          {withCode(trans.__('This notebook’s kernel runs on %1. It reads the keys of that machine: set them there with `%fm key set PROVIDER`.', state.host))}
        </p>
      )}
      {keys === null && <p className="fmnb-Secondary fmnb-Intro">{model.about ? trans.__('Loading…') : trans.__('The server extension is not installed.')}</p>}
      {found.length > 0 && <h3 className="fmnb-Intro">{trans.__('With a key')}</h3>}
      <ul className="fmnb-PlainList">{found.map(k => row(k))}</ul>
      {others.length > 0 && <h3 className="fmnb-Intro">{trans.__('Without a key')}</h3>}
      <ul className="fmnb-PlainList">{others.map(k => row(k))}</ul>
    </div>
  );

  function row(k: KeyState): JSX.Element {
    return <Key key={k.provider} {...props} state={k} open={open === k.provider} toggle={() => model.data.openKey(open === k.provider ? '' : k.provider)} />;
  }
}

function Key({ model, trans, state, open, toggle }: ViewProps & { state: KeyState; open: boolean; toggle: () => void }): JSX.Element {
  const input = React.useRef<HTMLInputElement>(null);
  const test = model.data.tests.get(state.provider);
  React.useEffect(() => (open ? input.current?.focus() : undefined), [open]);
  /** The value is only in the field, and only until it is sent. */
  const send = (e: React.FormEvent) => {
    e.preventDefault();
    const value = input.current!.value;
    input.current!.value = '';
    if (value.trim()) {
      void model.data.setKey(state.provider, value).then(() => model.announce(trans.__('The key of %1 is stored', state.title)));
      toggle();
    }
  };
  return (
    <li className="fmnb-Run">
      <div className="fmnb-Line">
        <span className="fmnb-Name fmnb-Flex">{state.title}</span>
        {state.locked ? (
          <span className="fm-chip" title={state.locked}>
            {trans.__('locked')}
          </span>
        ) : (
          <>
            {state.source && (
              <button
                className="fm-button"
                disabled={test === 'testing'}
                title={trans.__('Sends one very short request, which may cost a tiny amount')}
                aria-label={trans.__('Test the key of %1', state.title)}
                onClick={() => void model.data.testKey(state.provider)}
              >
                {test === 'testing' ? trans.__('Testing…') : trans.__('Test')}
              </button>
            )}
            <button className="fm-button" aria-expanded={open} aria-label={trans.__('Set the key of %1', state.title)} onClick={toggle}>
              {trans.__('Set')}
            </button>
            {state.stored && (
              <button className="fm-button" aria-label={trans.__('Remove the key of %1', state.title)} onClick={() => void remove(model, trans, state)}>
                {trans.__('Remove')}
              </button>
            )}
          </>
        )}
      </div>
      <div className="fmnb-Secondary" title={trans.__('Environment variables: %1', state.variables.join(', '))}>
        {state.locked || keySource(state, trans)}
      </div>
      {test && test !== 'testing' && (
        <p className={test.ok ? 'fmnb-Success' : 'fmnb-Warning'} role="status">
          {test.message}. {test.hint}
        </p>
      )}
      {open && (
        <form className="fmnb-InputRow" onSubmit={send} autoComplete="off">
          <input
            ref={input}
            className="fm-input"
            type="password"
            autoComplete="off"
            spellCheck={false}
            data-lpignore="true"
            data-1p-ignore="true"
            aria-label={trans.__('API key for %1, sent to %2', state.title, state.hosts.join(', '))}
            onKeyDown={e => e.key === 'Escape' && toggle()}
          />
          <button className="fm-button fm-primary" type="submit">
            {trans.__('Save')}
          </button>
        </form>
      )}
    </li>
  );
}

/** Where the key comes from and which hosts get it; without a key, the variables that are read. */
function keySource(state: KeyState, trans: ViewProps['trans']): string {
  const hosts = state.hosts.join(', ');
  if (!state.source) {
    return trans.__('reads %1', state.variables.join(trans.__(' or ')));
  }
  const found = state.variables.includes(state.source) ? trans.__('environment variable %1', state.source) : state.source;
  return trans.__('from %1, sent to %2', found, hosts) + (state.stored && found !== state.source ? trans.__('; another key is stored') : '');
}

async function remove(model: ViewProps['model'], trans: ViewProps['trans'], state: KeyState): Promise<void> {
  const { button } = await showDialog({
    title: trans.__('Remove the key of %1?', state.title),
    body: trans.__('It is deleted from the key store. A key in the environment stays.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Remove') })]
  });
  if (button.accept) {
    await model.data.removeKey(state.provider);
  }
}
