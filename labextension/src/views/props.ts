/** Props of every view of the panel. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { SidebarModel } from '../model';

export type ViewProps = { model: SidebarModel; commands: CommandRegistry; trans: TranslationBundle };
