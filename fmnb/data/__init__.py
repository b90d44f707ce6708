"""Data that answers are drawn from: indexes over documents, SQL tables, figures traced back to them.

- `index`: indexes over documents, searched by words and by meaning
- `sql`: tables and databases, asked with SQL
"""
