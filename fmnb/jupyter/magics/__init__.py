"""The magics `%%fm` and `%fm`. Each parses a line and calls public functions; no logic lives here.

- `register`: what `%load_ext fmnb` does
- `cell`: `%%fm`
- `better_model_note`: after the first answer of the embedded model, the next step
- `batch`: `%%fm --over`
- `options`: the options of `%%fm`: parser, help, completion
- `line`: `%fm VERB`: the verbs
- `arguments`: words and switches of a `%fm` line
- `chat`: ask, retry, continue, fix, explain, chat
- `models`: use, models, alias, pull, rm, unload
- `feedback`: vote, leaderboard
- `index`: index, search
- `admin`: key, log, tape, budget, trust, doctor
- `complete`: tab completion: what belongs to fmnb in a cell
- `completions`: what completion finds
- `complete_line`: completion of options, their values, models and verbs
- `complete_expression`: completion in `{{ }}`
- `column_names`: how a column is written in an expression
- `value_kinds`: the kinds of values and the columns of frames, for completion
- `insert_cell`: code in a new cell below
- `fix_cell`: the corrected source of a failed cell, as a change to accept
- `interrupts`: one interrupt for one cell
- `redact_traceback`: tracebacks without keys
- `shown`: a value that a cell has displayed already
- `notebook_choice`: the notebook's own model, before a cell runs
"""
