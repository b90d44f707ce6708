/**
 * The views of the panel: one file each, in this folder. A view paints the model and calls it;
 * it fetches nothing. What a view needs that the model lacks belongs into `model.ts`, or into a
 * part of its own that `SidebarModel` holds, as `catalogue.ts` is.
 */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { ComponentType } from 'react';
import { Activity } from './activity';
import { Keys } from './keys';
import { Local } from './local';
import { Models } from './models';
import { Prompts } from './prompts';
import type { ViewProps } from './props';

export type Tab = { id: string; label: (trans: TranslationBundle) => string; view: ComponentType<ViewProps> };

export const TABS: readonly Tab[] = [
  { id: 'models', label: trans => trans.__('Models'), view: Models },
  { id: 'local', label: trans => trans.__('Local'), view: Local },
  { id: 'keys', label: trans => trans.__('Keys'), view: Keys },
  { id: 'activity', label: trans => trans.__('Activity'), view: Activity },
  { id: 'prompts', label: trans => trans.__('Prompts'), view: Prompts }
];
