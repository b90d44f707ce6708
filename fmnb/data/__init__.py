"""Data that answers are drawn from: documents, tables, and figures traced back to them."""
