"""`python -m fmnb`.

- `main`: the verbs of the command line
"""
