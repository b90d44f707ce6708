/**
 * The views of the panel: one file each, in this folder. A view renders the model and calls it;
 * it fetches nothing. Data that a view needs belongs in `model.ts` or in a part of `SidebarModel`
 * such as `catalog.ts`.
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
