"""A prompt over a table: rows to requests, durable answers, and the same table with columns added."""
