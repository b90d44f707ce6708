"""One call from options to response: prepare, pipeline, run, session.

- `options`: options of a call, their types and meanings
- `call`: the data: options, a call, a prepared call
- `prepare`: options, prompt and model name to a request; refuses keys written in a cell
- `pipeline`: the list of steps around a call or a row
- `steps`: the steps: schema, tape, cache, budget, retry, rate limit
- `rows_together`: rows that an engine answers together
- `service_jobs`: batch jobs at a call's service
- `run`: runs calls side by side; stops one
- `run_events`: the events of a run that is one stream
- `run_handle`: what everything that runs has in common: listeners, folds, interrupts, the end
- `sources`: the passages of `--with` as a part of the message
- `session`: what the kernel remembers: chosen model, last exchange, tape
- `notebook_model`: the model that a notebook's metadata names
- `model`: `fm.ask`, `fm.stream`, `fm.Model`
- `embed`: `fm.embed`
- `download`: `fm.pull`: a download as a run
- `classify`: a classifier made of a model, for guards
- `check_model`: a call that shows that a model answers, or loads its weights
- `child_job`: long work in a process of its own, which reports through the log
- `background`: calls that run while the notebook goes on
- `preview`: `--dry-run`: what would be sent, and its cost
- `draft`: a prompt while it is typed
- `parameters`: which parameters have an effect on a model
- `failed_cell`: a failed cell as text
- `follow_up`: fix, explain, retry, continue
- `doctor`: `%fm doctor`: what works here and how to repair the rest
"""
