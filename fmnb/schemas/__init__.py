"""Structured output: schemas and their validation.

- `convert`: schemas as people write them (text, types, dataclasses, pydantic) to JSON schema
- `spec`: a schema, and how to build objects from answers
- `schema_text`: schema texts, such as `name, score float?`
- `json_schema`: JSON schemas, made valid in strict modes
- `python_types`: dataclasses, TypedDicts, pydantic models and type hints
- `validate`: finds the JSON in an answer, validates it, builds objects
"""
