"""Structured output: schemas and their validation.

- `spec`: schemas as people write them (text, types, dataclasses, pydantic) to JSON schema
- `validate`: finds the JSON in an answer, validates it, builds objects
"""
