"""Hosted models, model servers on this machine, and the echo backend.

One adapter (`hosted`) speaks to every OpenAI-compatible service; what a service does
differently is a row of `profiles.toml`. Nothing here listens to events or knows a notebook.
"""
