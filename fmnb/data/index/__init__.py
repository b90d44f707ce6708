"""Indexes over documents: one SQLite file each, searched by words (BM25) and by meaning (vectors).

- `index`: `fm.Index`
- `open_indexes`: indexes that stay open between cells
- `locate`: where an index's file is, and which there are
- `chunks`: a document's blocks to chunks along headings and sentences
- `embedder`: which model makes the vectors
- `update`: what was added, changed and removed since, and the run that stores it
- `background_update`: an update in a thread, while the notebook goes on
- `update_report`: the counts and reasons of an update
- `query`: the words of a question as a full-text query
- `filters`: `path`, `after` and columns as SQL
- `vector_matrix`: the vectors in memory, in step with the file
- `search`: both rankings fused into passages
- `passages`: chunks to passages: at most three a document, neighbors joined
- `search_results`: found passages as a table
"""
