"""The magics: `%%fm`, `%fm`. Each parses a line and calls public functions; no logic lives here."""
