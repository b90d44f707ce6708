/** What an error output is about. Pure. */

import { ERRORS } from '../types';

export type ErrorOutput = { ename: string; evalue: string; traceback: string[] };

/**
 *     python   an exception in the user's code: a model can propose a correction
 *     fmnb     an error of fmnb, which says what to do
 *     stop     the user stopped the cell
 */
export type ErrorKind = 'python' | 'fmnb' | 'stop';

export function errorKind({ ename }: ErrorOutput): ErrorKind {
  return ename === 'KeyboardInterrupt' || ename === 'Interrupted' ? 'stop' : ERRORS.includes(ename) ? 'fmnb' : 'python';
}

/** Whether the error only repeats what the output above it says, for programs that keep no more than error outputs. */
export function isShownAbove(error: ErrorOutput): boolean {
  return errorKind(error) !== 'python' && /^\w+, as shown above[.:]/.test(error.traceback[0] ?? '');
}

/** The provider whose key a hint of fmnb asks for, "" if none. */
export function keyProvider(text: string): string {
  return /%fm key set ([\w.-]*\w)/.exec(text)?.[1] ?? '';
}
