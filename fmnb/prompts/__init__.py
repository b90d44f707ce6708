"""Prompts: templates, values as text, attachments.

- `prompt`: a template and the notebook's names become message parts; saved prompts
- `template`: the template language: `{{ expression }}`, `if`, `for`
- `describe`: a notebook value as text in a prompt
- `dataframes`: one interface to every kind of data frame
- `figures`: figures and images as pictures of a size that services accept
- `attachments`: files and values given with `--attach`
"""
