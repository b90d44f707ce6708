/**
 * Runs, folded from their events. Pure: no page, no clock.
 *
 * Events of one run may come from a kernel, from the server and from the log, late or twice:
 * the higher event number wins, whoever tells it.
 */

import type { Event, RunRow, Usage } from './types';

export type Standing = 'running' | 'waiting' | 'finished' | 'failed' | 'cancelled';

export interface Run {
  run: string;
  /** Number of the last event that was taken in. */
  n: number;
  kind: string;
  model: string;
  host: string;
  parent: string;
  prompt: string;
  started: number;
  /** When the last event came. */
  at: number;
  standing: Standing;
  stage: string;
  done: number;
  total: number | null;
  unit: string;
  note: string;
  /** Units a second of this stage, smoothed; null until there are two reports. */
  speed: number | null;
  /** Why nothing moves, and until when it will not (null is not known). */
  waiting: string;
  until: number | null;
  usage: Usage;
  notices: string[];
  error: Record<string, unknown> | null;
  source: string;
}

/** Whether a run is still under way. */
export const live = (run: Run) => run.standing === 'running' || run.standing === 'waiting';

/** The run after one more event; the same object for an event that tells nothing new. */
export function fold(run: Run | undefined, event: Event): Run {
  const before = run ?? blank(event.run);
  if (event.n <= before.n) {
    return before;
  }
  const now: Run = { ...before, n: event.n, at: event.at };
  if (before.started === 0) {
    now.started = event.at;
  }
  if (live(before) && before.standing === 'waiting' && event.event !== 'Waiting') {
    Object.assign(now, { standing: 'running', waiting: '', until: null });
  }
  switch (event.event) {
    case 'Started':
      now.kind = event.kind ?? 'call';
      now.model = event.model ?? '';
      now.host = event.host ?? '';
      now.parent = event.parent ?? '';
      now.prompt = String(event.meta?.prompt ?? '');
      now.started = event.at;
      break;
    case 'TextDelta':
    case 'ReasoningDelta':
      advance(now, before, 'answering', (before.unit === 'characters' ? before.done : 0) + event.text.length, null, 'characters');
      break;
    case 'Progress':
      advance(now, before, event.stage, event.done ?? 0, event.total ?? null, event.unit ?? '');
      now.note = event.note ?? '';
      break;
    case 'Waiting':
      now.standing = 'waiting';
      now.waiting = event.reason;
      now.until = event.seconds == null ? null : event.at + event.seconds;
      break;
    case 'Notice':
      now.notices = [...before.notices, event.kind === 'not_applied' ? `not applied by this model: ${event.text}` : event.text];
      break;
    case 'Restarted':
      now.done = 0;
      now.speed = null;
      break;
    case 'Used':
      now.usage = add(before.usage, event.usage);
      break;
    case 'Finished':
      now.standing = 'finished';
      now.model = event.model || before.model;
      now.source = event.source ?? 'live';
      break;
    case 'Failed':
      now.standing = 'failed';
      now.error = event.error;
      break;
    case 'Cancelled':
      now.standing = 'cancelled';
      break;
  }
  return now;
}

/** A run whole, from all its events in any order. */
export function foldAll(events: readonly Event[]): Run | undefined {
  return [...events].sort((a, b) => a.n - b.n).reduce<Run | undefined>(fold, undefined);
}

/** Of two tellings of one run, the one that knows more. */
export const later = (a: Run | undefined, b: Run): Run => (a !== undefined && a.n >= b.n ? a : b);

/** A run of the log. One that has ended has a number beyond what any event's can be; one without an end knows its beginning alone. */
export function ofRow(row: RunRow): Run {
  const { run, kind, started, model, prompt, source, input_tokens, output_tokens, cost } = row;
  const standing = row.error ? 'failed' : row.finish_reason === 'cancelled' ? 'cancelled' : ['', 'unfinished'].includes(row.finish_reason) ? 'running' : 'finished';
  return {
    ...blank(run),
    n: standing === 'running' ? 1 : Number.MAX_SAFE_INTEGER,
    kind,
    started,
    at: started + (row.seconds ?? 0),
    model,
    prompt,
    source,
    standing,
    error: row.error ? { message: row.error } : null,
    usage: { input_tokens, output_tokens, cost }
  };
}

/** A run that nobody will tell the end of: its kernel is gone. */
export const lost = (run: Run, why: string): Run => ({ ...run, standing: 'cancelled', note: why });

function blank(run: string): Run {
  return {
    run,
    n: 0,
    kind: 'call',
    model: '',
    host: '',
    parent: '',
    prompt: '',
    started: 0,
    at: 0,
    standing: 'running',
    stage: '',
    done: 0,
    total: null,
    unit: '',
    note: '',
    speed: null,
    waiting: '',
    until: null,
    usage: {},
    notices: [],
    error: null,
    source: 'live'
  };
}

function advance(now: Run, before: Run, stage: string, done: number, total: number | null, unit: string): void {
  const seconds = now.at - before.at;
  const same = stage === before.stage && unit === before.unit && done >= before.done;
  Object.assign(now, { stage, done, total, unit, speed: same ? before.speed : null });
  if (same && seconds > 0) {
    const speed = (done - before.done) / seconds;
    now.speed = before.speed === null ? speed : 0.7 * before.speed + 0.3 * speed;
  }
}

/** Not reported stays not reported; what is known adds up. */
function add(a: Usage, b: Usage): Usage {
  const { estimated, ...counts } = b;
  const sum: Usage = { ...a, ...(estimated ? { estimated } : {}) };
  for (const [name, value] of Object.entries(counts) as [keyof typeof counts, number | null][]) {
    sum[name] = value == null ? (a[name] ?? null) : (a[name] ?? 0) + value;
  }
  return sum;
}
