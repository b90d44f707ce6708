"""Constrained decoding: an answer can only become JSON that fits its schema, and ends before its token limit.

- `decoder`: what may follow, when the answer has to close, where it repeats itself
- `schema_expression`: a JSON schema as a bounded regular expression
- `number_expression`: numbers of a schema, within their bounds
- `pattern_expression`: the `pattern` keyword of a schema
- `expressions`: regular expressions as values: what may follow a text, the shortest completion, grammars
- `shortest_ending`: the shortest text that completes an answer, and its length in tokens
- `json_scan`: JSON read as it arrives: where a list or string starts to repeat
"""
