"""Constrained decoding: answers are valid JSON for their schema, and end before their token limit.

- `decoder`: allowed continuations, closing near the limit, repetition
- `schema_expression`: a JSON schema as a bounded regular expression
- `number_expression`: numbers of a schema, within their bounds
- `pattern_expression`: the `pattern` keyword of a schema
- `expressions`: regular expressions as values: derivatives, shortest completions, grammars
- `shortest_ending`: the shortest text that completes an answer, and its length in tokens
- `json_scan`: an incremental JSON scanner that detects repetition in lists and strings
"""
