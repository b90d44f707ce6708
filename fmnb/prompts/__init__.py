"""Prompts: templates, values as text, attachments.

- `prompt`: renders templates with the notebook's variables; saved prompts
- `rendered`: a rendered prompt: its parts, and what was inserted
- `renderer`: from a template and values to message parts
- `template`: the template language: `{{ expression }}`, `if`, `for`
- `value_labels`: trust, data class and columns of the notebook's values
- `expression_labels`: the same of what an expression reads
- `describe`: a notebook value as text in a prompt: which rows and columns of a table, how much of a long text
- `dataframes`: reads every kind of data frame: names, types, rows by number
- `figures`: figures and images in a size that services accept
- `attachments`: files and variables for `--attach`, with its own reader of CSV files
"""
