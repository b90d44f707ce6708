"""Test sets: rows, sources, splits, held-out rows.

- `dataset`: `fm.Dataset`
- `sample`: one row
- `saved_file`: data sets as JSONL files, and the version of their content
- `tables`: summary, differences and leaks of data sets
- `label_agreement`: agreement of annotators
- `formats`: reading frames, CSV, JSONL, Parquet, inspect, OpenAI evals
- `from_log`: rows from votes, edits, acceptance and the log
- `generate`: question and answer rows that a model proposes from texts
- `splits`: train, dev and held-out splits
- `dedupe`: duplicate rows
- `labeling`: labels, and which row to label next
- `export`: training data (SFT, DPO, chat)
- `heldout`: held-out rows must never be trained on
- `near_duplicates`: which held-out text a text resembles
- `paraphrases`: held-out texts in other words
- `text_signatures`: hashes of words and shingles
"""
