/**
 * Runs, folded from their events. Pure: no page, no clock.
 *
 * Events of one run may come from a kernel, the server and the log, late or twice: the higher
 * event number wins.
 */

import type { Event, RunRow, Usage } from './types';

export type RunState = 'running' | 'waiting' | 'finished' | 'failed' | 'cancelled';

export interface Run {
  run: string;
  /** Number of the last event that was applied. */
  n: number;
  kind: string;
  model: string;
  host: string;
  parent: string;
  prompt: string;
  started: number;
  /** Time of the last event. */
  at: number;
  state: RunState;
  stage: string;
  done: number;
  total: number | null;
  unit: string;
  note: string;
  /** Units per second of this stage, smoothed; null until there are two reports. */
  speed: number | null;
  /** Why the run waits, and until when (null if unknown). */
  waitReason: string;
  waitUntil: number | null;
  usage: Usage;
  notices: string[];
  error: Record<string, unknown> | null;
  source: string;
}

/** Whether a run has not ended. */
export const isActive = (run: Run) => run.state === 'running' || run.state === 'waiting';

/** The run after one more event; the same object if the event is not newer. */
export function fold(run: Run | undefined, event: Event): Run {
  const before = run ?? emptyRun(event.run);
  if (event.n <= before.n) {
    return event.event === 'Started' && !before.model ? { ...before, ...beginning(event) } : before; // a page that came later gets it again
  }
  const now: Run = { ...before, n: event.n, at: event.at };
  if (before.started === 0) {
    now.started = event.at;
  }
  if (isActive(before) && before.state === 'waiting' && event.event !== 'Waiting') {
    Object.assign(now, { state: 'running', waiting: '', until: null });
  }
  switch (event.event) {
    case 'Started':
      Object.assign(now, beginning(event));
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
      now.state = 'waiting';
      now.waitReason = event.reason;
      now.waitUntil = event.seconds == null ? null : event.at + event.seconds;
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
      now.state = 'finished';
      now.model = event.model || before.model;
      now.source = event.source ?? 'live';
      break;
    case 'Failed':
      now.state = 'failed';
      now.error = event.error;
      break;
    case 'Cancelled':
      now.state = 'cancelled';
      break;
  }
  return now;
}

const beginning = (event: Extract<Event, { event: 'Started' }>) => ({
  kind: event.kind ?? 'call',
  model: event.model ?? '',
  host: event.host ?? '',
  parent: event.parent ?? '',
  prompt: String(event.meta?.prompt ?? ''),
  started: event.at
});

/** A run from all its events, in any order. */
export function foldAll(events: readonly Event[]): Run | undefined {
  return [...events].sort((a, b) => a.n - b.n).reduce<Run | undefined>(fold, undefined);
}

/** The newer of two states of one run. */
export const newer = (a: Run | undefined, b: Run): Run => (a !== undefined && a.n >= b.n ? a : b);

/** A run from a row of the log. An ended run gets a number above any event's; one without an end counts as just started. */
export function fromRow(row: RunRow): Run {
  const { run, kind, started, model, prompt, source, input_tokens, output_tokens, cost } = row;
  const state = row.error ? 'failed' : row.finish_reason === 'cancelled' ? 'cancelled' : ['', 'unfinished'].includes(row.finish_reason) ? 'running' : 'finished';
  return {
    ...emptyRun(run),
    n: state === 'running' ? 1 : Number.MAX_SAFE_INTEGER,
    kind,
    started,
    at: started + (row.seconds ?? 0),
    model,
    prompt,
    source,
    state,
    error: row.error ? { message: row.error } : null,
    usage: { input_tokens, output_tokens, cost }
  };
}

/** A run without further events, because its kernel has ended. */
export const markLost = (run: Run, why: string): Run => ({ ...run, state: 'cancelled', note: why });

function emptyRun(run: string): Run {
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
    state: 'running',
    stage: '',
    done: 0,
    total: null,
    unit: '',
    note: '',
    speed: null,
    waitReason: '',
    waitUntil: null,
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

/** Sum of usage; a count that was never reported stays null. */
function add(a: Usage, b: Usage): Usage {
  const { estimated, ...counts } = b;
  const sum: Usage = { ...a, ...(estimated ? { estimated } : {}) };
  for (const [name, value] of Object.entries(counts) as [keyof typeof counts, number | null][]) {
    sum[name] = value == null ? (a[name] ?? null) : (a[name] ?? 0) + value;
  }
  return sum;
}
