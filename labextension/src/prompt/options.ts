/** Made by labextension/make_types.py from fmnb/jupyter/magics/options.py: change that. */

export interface PromptOption {
  long: string;
  /** "" if it has no short name. */
  short: string;
  /** The name of its value, "" if it takes none. */
  value: string;
  help: string;
  /** The values it takes, if they are few. */
  choices: readonly string[];
}

export const OPTIONS: readonly PromptOption[] = [
  {"long": "out", "short": "o", "value": "NAME", "help": "Store the answer in a notebook variable; `NAME <<` before the models does the same.", "choices": []},
  {"long": "system", "short": "s", "value": "TEXT", "help": "System prompt.", "choices": []},
  {"long": "chat", "short": "c", "value": "NAME", "help": "Continue the conversation with this name.", "choices": []},
  {"long": "temperature", "short": "t", "value": "NUMBER", "help": "Sampling temperature, 0 to 2 (0 = deterministic).", "choices": []},
  {"long": "max-tokens", "short": "", "value": "N", "help": "Maximum number of output tokens.", "choices": []},
  {"long": "seed", "short": "", "value": "N", "help": "Sampling seed: the same seed gives the same answer, if the model supports it.", "choices": []},
  {"long": "stop", "short": "", "value": "TEXT", "help": "Stop before this text (may be repeated).", "choices": []},
  {"long": "param", "short": "p", "value": "KEY=VALUE", "help": "Raw wire parameter, sent to the service unchanged (may be repeated).", "choices": []},
  {"long": "format", "short": "f", "value": "FORMAT", "help": "How the answer is used: markdown, text, code, json, html, math or image.", "choices": ["markdown", "text", "code", "json", "html", "math", "image"]},
  {"long": "schema", "short": "", "value": "TEXT|NAME", "help": "Structured output: `name, score float, mood good|bad?`.", "choices": []},
  {"long": "attach", "short": "", "value": "PATH|NAME", "help": "Image, PDF, Office file, HTML page, text or table to send with the prompt (may be repeated).", "choices": []},
  {"long": "with", "short": "", "value": "NAME,NAME", "help": "Indexes and other sources to answer from, with citations.", "choices": []},
  {"long": "api", "short": "", "value": "API", "help": "Interface of the service: chat, responses or native (default: the service's usual one).", "choices": ["chat", "responses", "native"]},
  {"long": "quant", "short": "", "value": "BITS", "help": "Quantization of local weights: int8, int4 or none.", "choices": ["none", "int8", "int4"]},
  {"long": "dtype", "short": "", "value": "TYPE", "help": "Number type of local weights: float32, bfloat16 or float16.", "choices": ["float32", "bfloat16", "float16"]},
  {"long": "samples", "short": "", "value": "K", "help": "Number of answers per model, shown side by side.", "choices": []},
  {"long": "vary", "short": "", "value": "OPTION=A,B", "help": "One answer for each value of an option or raw parameter (may be repeated).", "choices": []},
  {"long": "prompts", "short": "", "value": "NAME,NAME", "help": "One answer for each prompt, placed before the prompt's own text.", "choices": []},
  {"long": "blind", "short": "", "value": "", "help": "Hide model names and shuffle answers until you vote.", "choices": []},
  {"long": "over", "short": "", "value": "DATA", "help": "Run the prompt for every row of a table: a frame in the notebook, or a Parquet, CSV or JSONL file; columns are names in the prompt.", "choices": []},
  {"long": "head", "short": "", "value": "N", "help": "With --over: only the first N rows.", "choices": []},
  {"long": "budget", "short": "", "value": "MONEY", "help": "With --over: stop before spending more than this many US dollars.", "choices": []},
  {"long": "yes", "short": "", "value": "", "help": "With --over: skip the confirmation before an expensive batch.", "choices": []},
  {"long": "rpm", "short": "", "value": "N", "help": "With --over: maximum requests per minute.", "choices": []},
  {"long": "tpm", "short": "", "value": "N", "help": "With --over: maximum tokens per minute.", "choices": []},
  {"long": "concurrency", "short": "", "value": "N", "help": "With --over: maximum calls in flight; by default it adapts to the host.", "choices": []},
  {"long": "batch-api", "short": "", "value": "", "help": "With --over: submit a batch job, at half the price; the same call collects its answers later.", "choices": []},
  {"long": "retry-errors", "short": "", "value": "", "help": "With --over: send rows with permanent errors again.", "choices": []},
  {"long": "fail-fast", "short": "", "value": "", "help": "With --over: stop at the first failed row.", "choices": []},
  {"long": "on", "short": "", "value": "ray[://...]", "help": "With --over: run on Ray: `ray` on this machine, or the address of a cluster (`ray://...`).", "choices": []},
  {"long": "score", "short": "", "value": "NAME,NAME", "help": "With --over: evaluate answers with scorers (exact, numeric, f1, judge, ...) or functions in the notebook.", "choices": []},
  {"long": "target", "short": "", "value": "COLUMN", "help": "With --score: column with the correct answers (default: `target`).", "choices": []},
  {"long": "group", "short": "", "value": "COLUMN", "help": "With --score: column of users or templates whose rows form clusters (default: `group`, `user`, `template`).", "choices": []},
  {"long": "save", "short": "", "value": "NAME", "help": "Save the prompt under a name.", "choices": []},
  {"long": "raw", "short": "", "value": "", "help": "Send the text as typed, without inserting values.", "choices": []},
  {"long": "dry-run", "short": "", "value": "", "help": "Show requests, hosts, tokens and price; send nothing.", "choices": []},
  {"long": "no-cache", "short": "", "value": "", "help": "Send the request again even if the answer is cached.", "choices": []},
  {"long": "replay-only", "short": "", "value": "", "help": "Answer from the tape, or fail.", "choices": []},
  {"long": "background", "short": "", "value": "", "help": "Run in the background while the notebook continues.", "choices": []}
];
