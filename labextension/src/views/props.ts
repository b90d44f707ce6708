/** What every view of the panel gets. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { SidebarModel } from '../model';

export type ViewProps = { model: SidebarModel; commands: CommandRegistry; trans: TranslationBundle };
