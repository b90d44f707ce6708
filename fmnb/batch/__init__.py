"""Batches: one call per row of a table, stored before it is shown, resumable.

- `map`: `fm.map`
- `map_files`: `fm.map` over files
- `run`: one batch from start to result
- `options`: options of a batch, and which conflict
- `estimate`: calls, tokens, cost and time before anything is sent
- `duration`: how long a batch will take
- `rows`: rows and a template to calls, and their cache keys
- `model_identity`: identity of a custom model, for the cache
- `stored_names`: names of fmnb's own classes in stored identities, independent of where they live
- `code_names`: which names a function or class reads
- `job`: a batch while it runs
- `job_kinds`: which job runs a batch: here, on Ray, over files
- `scheduler`: calls in flight
- `claims`: rows that this kernel has claimed, so that two kernels do not send the same row
- `shared_table`: several kernels over one table
- `writer`: writes finished rows to the log
- `failures`: which errors are permanent, transient or fatal for a model
- `unusable`: when a model that gives only unusable answers gets no more calls
- `progress`: the status text beside the progress bar
- `answers`: an answer for each row, and the table with answer columns
- `result`: the result of a batch, live or reopened
- `summary`: counts, failures, cost and time in a few lines
- `log_view`: a batch in the log
- `small_table`: a few rows as a comparison
- `batch_jobs`: `--batch-api`: rows as a batch job of the service
- `io`: tables in and out
- `ray`: batches on Ray
"""
