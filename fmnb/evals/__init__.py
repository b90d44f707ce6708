"""Evaluation of models on a test set: which one is better.

- `options`: options of `fm.evaluate`
- `evaluate`: `fm.evaluate`: runs a test set and scores it
- `evaluation`: the result: tables, sentences, report, rescoring
- `results`: the data of an evaluation
- `scored_run`: answers a test set and scores it, or reads both from the log
- `withheld_target`: a prompt must not use the target
- `verdict`: the conclusion of an evaluation: which model is better, ties, problems
- `scoring`: scores of answers
- `score_matrix`: scores by row and model
- `analysis`: mean scores, differences with corrected intervals, ties and sample sizes
- `failures`: rows without a score, and whether they could change a verdict
- `clusters`: rows of one user, template or question
- `label_baseline`: models that always give one label, and the chance level
- `cached_answers`: answers that came from the cache, and their age
- `regression`: one evaluation against an earlier one
- `ci_check`: the check for CI
- `behavior`: acceptance, copies and edits by model
- `import_scores`: scores computed elsewhere
- `serialize`: an evaluation as a JSON file
- `inspect_log`: an evaluation as an inspect log
- `datasets`: test sets
- `scorers`: how an answer is scored
- `report`: how an evaluation is shown
- `benchmarks`: published benchmarks and HELM's groups
"""
