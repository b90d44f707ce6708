"""Live facts: what is true right now, fetched when a question needs it.

- `source`: `fm.source`, which makes a source of a typed function
- `parameters`: the arguments of a source, filled from the prompt
- `values`: what was fetched, until it expires; one fetch at a time
- `times`: times to live, and how old a value is
- `web`: `fm.web_source`, an address that answers with JSON, a calendar or text
- `json_path`: the part of a JSON answer
- `calendars`: the coming events of a calendar (iCal)
- `weather`: the source `weather`, from Open-Meteo
- `exchange_rates`: the source `exchange_rates`, from the European Central Bank through Frankfurter
- `named`: sources of `fmnb.toml` and ready-made ones, by name
"""
