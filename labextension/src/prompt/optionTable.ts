/** The options of a `%%fm` line by their flags. Pure. */

import { OPTIONS, type PromptOption } from './options';

const byFlag = new Map<string, PromptOption>(
  OPTIONS.flatMap(o => [[`--${o.long}`, o] as const, ...(o.short ? [[`-${o.short}`, o] as const] : [])])
);

/** The option of a flag such as `--format` or `-f`. */
export const optionOf = (flag: string): PromptOption | undefined => byFlag.get(flag);

/** Whether an option takes a value; undefined if there is no such option. */
export const takesValue = (flag: string): boolean | undefined => (byFlag.has(flag) ? optionOf(flag)!.value !== '' : undefined);

/** The flags and the value of an option, as the help shows them. */
export const usageOf = (o: PromptOption): string => `${o.short ? `-${o.short}, ` : ''}--${o.long}${o.value ? ` ${o.value}` : ''}`;
