"""Settings, administrator locks, keys and folders.

- `settings`: `fmnb.toml` of user and project, environment variables, folders
- `environment`: the environment at the process's start, as opposed to what a cell set
- `settings_file`: parsing and checking one settings file
- `lock_patterns`: patterns of an administrator's locks on models, providers and addresses
- `keys`: API keys: environment, keyring, private file
- `question`: questions to the person who runs the cell: a form on the page, a line of text, or an error
- `confirm`: yes or no, and secrets
"""
