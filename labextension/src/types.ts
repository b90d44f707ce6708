/** Made by labextension/make_types.py from the Python dataclasses: change those. */

/** Of server, kernel and page; raised with every change that another side would misread. */
export const PROTOCOL = 4;

/** The errors of fmnb, as error outputs name them. */
export const ERRORS: readonly string[] = [
  'FmnbError',
  'UsageError',
  'PromptError',
  'SchemaError',
  'QueryError',
  'NotInteractiveError',
  'SettingsError',
  'LockedError',
  'MissingPackageError',
  'ModelError',
  'UnknownModelError',
  'ServiceDiscontinuedError',
  'NotPulledError',
  'DownloadError',
  'InsufficientMemoryError',
  'KeyMissingError',
  'AuthenticationError',
  'BudgetError',
  'TapeMissError',
  'StoreError',
  'CallError',
  'BadRequestError',
  'ContextTooLongError',
  'RateLimitError',
  'ServerError',
  'ConnectionFailedError',
  'CallTimeoutError',
  'TLSError',
  'StreamInterruptedError',
  'UnexpectedResponseError',
  'EmptyAnswerError',
  'ContentFilterError',
  'SchemaMismatchError',
  'CustomModelError'
];

/** Tokens and cost of a call. None means not reported; `cost` is in US dollars. */
export interface Usage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cached_tokens?: number | null;
  reasoning_tokens?: number | null;
  cost?: number | null;
  estimated?: boolean;
}

/** What every stamped event has. */
export interface Stamp {
  run: string;
  n: number;
  at: number;
}

/** A run starts. `kind` is call, download, load, ...; `parent` the run it belongs to. */
export interface Started extends Stamp {
  event: 'Started';
  kind?: string;
  model?: string;
  host?: string;
  parent?: string;
  request?: Record<string, unknown> | null;
  meta?: Record<string, unknown>;
}

/** More text of the answer. */
export interface TextDelta extends Stamp {
  event: 'TextDelta';
  text: string;
}

/** More of the model's reasoning; `extra` is sent back with it. */
export interface ReasoningDelta extends Stamp {
  event: 'ReasoningDelta';
  text: string;
  extra?: Record<string, unknown>;
}

/** A complete image or video of the answer: encoded bytes, media type, alternative text. */
export interface Media extends Stamp {
  event: 'Media';
  data: string;
  media_type: string;
  alt?: string;
  name?: string;
}

/** A fragment of a tool call: `index` says which call, `arguments` is partial JSON. */
export interface ToolCallDelta extends Stamp {
  event: 'ToolCallDelta';
  index: number;
  id?: string;
  name?: string;
  arguments?: string;
  extra?: Record<string, unknown>;
}

/** Per-token log probabilities: dicts of `token`, `logprob` and `top` [[token, logprob], ...]. */
export interface Logprobs extends Stamp {
  event: 'Logprobs';
  tokens: Record<string, unknown>[];
}

/** Progress of a long step. `unit` is bytes, tokens, rows or steps; `total` None if unknown. */
export interface Progress extends Stamp {
  event: 'Progress';
  stage: string;
  done?: number;
  total?: number | null;
  unit?: string;
  note?: string;
}

/** The run waits: for a rate limit, a retry, a busy engine. `seconds` is None if unknown. */
export interface Waiting extends Stamp {
  event: 'Waiting';
  reason: string;
  seconds?: number | null;
  attempt?: number;
}

/** A notice for the user. `kind` is note, warning or not_applied (then `text` names the option). */
export interface Notice extends Stamp {
  event: 'Notice';
  kind: string;
  text: string;
}

/** The answer so far is discarded and a new one follows: the repair of a structured answer. */
export interface Restarted extends Stamp {
  event: 'Restarted';
  reason: string;
}

/** Tokens and cost of one request; several in a run add up. */
export interface Used extends Stamp {
  event: 'Used';
  usage: Usage;
}

/** Feedback on a finished run: vote, star, edit, accept, copied, ... */
export interface Signal extends Stamp {
  event: 'Signal';
  kind: string;
  value?: unknown;
  user?: string;
  text?: string;
  retracts?: number;
}

/** The score of an answer in an evaluation. `answer` is its run; `value` is None if `error` says why. */
export interface Scored extends Stamp {
  event: 'Scored';
  answer: string;
  scorer: string;
  value?: number | null;
  row?: number;
  model?: string;
  sample?: number;
  parsed?: string;
  explanation?: string;
  error?: string;
  confidence?: number | null;
}

/** The answer is complete. `model` is the one that answered, as reported by the service. */
export interface Finished extends Stamp {
  event: 'Finished';
  reason?: string;
  model?: string;
  source?: string;
  data?: unknown;
  extra?: Record<string, unknown>;
}

/** The run ended in an error, described as `FmnbError.to_dict` does. */
export interface Failed extends Stamp {
  event: 'Failed';
  error: Record<string, unknown>;
  source?: string;
}

/** The user stopped the run; the partial answer is kept. */
export interface Cancelled extends Stamp {
  event: 'Cancelled';
  reason?: string;
  source?: string;
}

export type Event =
  | Started
  | TextDelta
  | ReasoningDelta
  | Media
  | ToolCallDelta
  | Logprobs
  | Progress
  | Waiting
  | Notice
  | Restarted
  | Used
  | Signal
  | Scored
  | Finished
  | Failed
  | Cancelled;

/** One model of the catalog. */
export interface Entry {
  model: string;
  provider: string;
  ready: string;
  host: string;
  local: boolean;
  context: number | null;
  inputs: string[];
  outputs: string[];
  chat: boolean;
  price_in: number | null;
  price_out: number | null;
  license: string;
  size: number | null;
  memory: number | null;
  used: number | null;
  source: string;
  at: number | null;
  note: string;
}

/** A model that would answer better, and what it takes. */
export interface Offer {
  model: string;
  kind: string;
  reason: string;
  command: string;
  license: string;
  size: number | null;
}

/** Version, settings and memory of the server: `GET about`. */
export interface About {
  protocol: number;
  version: string;
  host: string;
  default_model: string;
  offline: boolean;
  locks: Record<string, unknown>;
  memory_total: number | null;
  memory_free: number | null;
  models_dir: string;
  disk_free: number | null;
}

/** The catalog: `GET models?q=WORDS&ask=1`. */
export interface Models {
  entries: Entry[];
  more: Record<string, number>;
  unreachable: Record<string, string>;
  offers: Offer[];
}

/** A quantized file of a repository. */
export interface HubFile {
  name: string;
  size: number | null;
}

/** A repository of the hub; `source` is the name for `%fm pull`, `size` its total bytes. */
export interface HubModel {
  source: string;
  task: string;
  downloads: number | null;
  likes: number | null;
  license: string;
  gated: boolean;
  size: number | null;
  files: HubFile[];
}

/** The result of a search; `trouble` is the reason for a failure, or "". */
export interface HubSearch {
  models: HubModel[];
  error: string;
}

/** A provider's key: its source ("" without one), hosts and variables. Never the key. */
export interface KeyState {
  provider: string;
  title: string;
  source: string;
  hosts: string[];
  variables: string[];
  stored: boolean;
  locked: string;
}

/** The result of one cheap call with the key: `POST keys/PROVIDER/test`. */
export interface KeyTest {
  ok: boolean;
  message: string;
  hint: string;
}

/** Calls, tokens and cost of a period or notebook; `unknown` calls had no known price. */
export interface Spending {
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cost: number;
  unknown: number;
}

/** A run in the log. */
export interface RunRow {
  run: string;
  kind: string;
  started: number;
  model: string;
  prompt: string;
  text: string;
  finish_reason: string;
  source: string;
  error: string | null;
  seconds: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cost: number | null;
  notebook: string;
}

/** Recent runs: `GET activity?q=WORDS&notebook=PATH&limit=N`. */
export interface Activity {
  today: Spending;
  notebook: Spending;
  runs: RunRow[];
  budget: number | null;
  logging: boolean;
}

/** One run: `GET runs/RUN`. `events` are dicts of `event_to_dict`. */
export interface RunDetail {
  row: RunRow;
  request: Record<string, unknown> | null;
  events: Record<string, unknown>[];
}

/** A saved prompt: `GET prompts`. */
export interface PromptRow {
  name: string;
  text: string;
  system: string;
  version: number;
}

/** What a download would do. */
export interface Plan {
  source: string;
  size: number | null;
  files: number;
  license: string;
  gated: boolean;
  free: number;
}

/** A tutorial that comes with fmnb: `GET tutorials`. */
export interface Tutorial {
  name: string;
  title: string;
  description: string;
}

/** The path of a tutorial's copy in the server's root: `POST tutorials/NAME`. */
export interface TutorialCopy {
  path: string;
}

/** The body of every error: message, detail, hint. */
export interface ErrorBody {
  message: string;
  detail: string;
  hint: string;
  upgrade: string;
}
