"""Which models exist and which are here: names, aliases, weights."""
