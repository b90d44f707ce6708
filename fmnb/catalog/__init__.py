"""Which models exist and which are available: names, aliases, prices, weights, downloads.

Start here if a price is missing in the sidebar.

- `resolve`: from a name to a model: provider, alias, file, custom model
- `suggestions`: names that are not models, and what to use instead
- `better_model`: models that would answer better than the embedded one, and what they take
- `engine_packages`: the packages that each engine needs
- `entries`: one entry for each known model: size, context, price, availability
- `models`: `fm.models()`: the catalog as a table
- `filters`: words that filter the catalog
- `model_lists`: model lists of services, cached
- `weights`: weight files on this machine
- `fetch`: downloads from a package index or the hub
- `hub`: the Hugging Face hub client
- `hub_search`: search for weights on the hub
- `pipelines`: folders of diffusers pipelines
"""
