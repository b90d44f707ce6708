"""Settings, administrator locks, keys and folders.

- `settings`: `fmnb.toml` of user and project, environment variables, folders
- `settings_file`: parsing and checking one settings file
- `lock_patterns`: patterns of an administrator's locks on models, providers and addresses
- `keys`: API keys: environment, keyring, private file
- `confirm`: questions to the person at the keyboard
"""
