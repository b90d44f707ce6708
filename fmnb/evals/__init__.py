"""Which model is better on one's own cases.

- `options`: options of `fm.evaluate`
- `evaluate`: `fm.evaluate`: runs a test set and scores it
- `evaluation`: the result: tables, sentences, report, rescoring
- `results`: the data of an evaluation
- `scored_run`: answers a test set and scores it, or reads that from the log
- `verdict`: the conclusion of an evaluation: which model is better, ties, trouble
- `scoring`: answers to scores
- `score_matrix`: scores by row and model
- `analysis`: levels, gaps, ties and needed rows
- `failures`: rows without a score, and whether they could change a verdict
- `clusters`: rows of one user, template or question
- `label_baseline`: a model that always gives one label; guessing
- `cached_answers`: answers that came from the cache, and their age
- `regression`: one evaluation against an earlier one
- `ci_check`: the check for CI
- `behavior`: acceptance, copies and edits by model
- `import_scores`: scores made elsewhere
- `serialize`: an evaluation as a JSON file
- `inspect_log`: an evaluation as an inspect log
- `datasets`: test sets
- `scorers`: how an answer is scored
- `report`: how an evaluation is shown
- `benchmarks`: published sets and HELM's groups
"""
