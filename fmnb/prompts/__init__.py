"""Prompts: templates, values as text, attachments.

- `prompt`: renders templates with the notebook's variables; saved prompts
- `template`: the template language: `{{ expression }}`, `if`, `for`
- `describe`: a notebook value as text in a prompt
- `dataframes`: one interface to every kind of data frame
- `figures`: figures and images in a size that services accept
- `attachments`: files and variables for `--attach`
"""
