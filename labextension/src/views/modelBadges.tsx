/** Labels of a model in a row: modalities, cost, state. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';
import { imageOutputIcon, imageInputIcon, audioIcon, vectorIcon, videoIcon } from '../icons';
import type { Entry } from '../types';
import { bytes, dollars } from '../format';

/** Icons for every modality except text. */
export function Modalities({ entry, trans }: { entry: Entry; trans: TranslationBundle }): JSX.Element {
  const shown: [LabIcon, string][] = [];
  const add = (there: boolean, icon: LabIcon, label: string) => there && shown.push([icon, label]);
  add(entry.inputs.includes('image'), imageInputIcon, trans.__('image input'));
  add(entry.inputs.includes('audio') || entry.outputs.includes('audio'), audioIcon, trans.__('audio'));
  add(entry.outputs.includes('image'), imageOutputIcon, trans.__('image output'));
  add(entry.outputs.includes('video'), videoIcon, trans.__('video output'));
  add(entry.outputs.includes('vector'), vectorIcon, trans.__('embeddings'));
  return (
    <>
      {shown.map(([icon, label]) => (
        <LabeledIcon key={label} icon={icon} label={label} />
      ))}
    </>
  );
}

/** An icon with a label. */
export function LabeledIcon({ icon, label }: { icon: LabIcon; label: string }): JSX.Element {
  return (
    <span className="fmnb-Modality" role="img" aria-label={label} title={label}>
      <icon.react tag={null} />
    </span>
  );
}

/** Memory or size of a local model, price per million tokens of a hosted one. */
export function costLabel(entry: Entry, trans: TranslationBundle): string {
  if (entry.local) {
    const size = entry.memory ?? entry.size;
    return size === null ? '' : bytes(size);
  }
  if (entry.price_in === null || entry.price_out === null) {
    return entry.model.endsWith('…') ? '' : trans.__('price unknown');
  }
  return entry.price_in === 0 && entry.price_out === 0 ? trans.__('free') : `${dollars(entry.price_in)} / ${dollars(entry.price_out)}`;
}

/** Why a model is not ready, in a few words. */
export function stateLabel({ ready }: Entry, trans: TranslationBundle): string {
  if (ready.startsWith('%fm pull')) {
    return trans.__('not downloaded');
  }
  if (ready.startsWith('%fm key')) {
    return trans.__('no key');
  }
  return ready.startsWith('%pip') ? trans.__('needs a package') : '';
}
