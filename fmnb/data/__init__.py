"""Data that answers are drawn from: indexes over documents, SQL tables, figures traced back to them.

- `open_sources`: what `--with` names
- `history`: earlier answers of this notebook
- `other_retrievers`: retrievers of LangChain and LlamaIndex as sources
- `index`: indexes over documents, searched by words and by meaning
- `numbers`: figures of an answer, traced to tables and passages
- `sources`: live facts, fetched when they are needed
- `sql`: tables and databases, asked with SQL
"""
