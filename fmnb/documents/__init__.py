"""Readers of files: one document as blocks of text with their locations.

- `document`: what a reader returns: blocks, pictures, notes
- `read`: reads any supported file; start here
- `formats`: the reader of each format
- `walk`: which files of a folder may be read, and why the others are skipped
- `kinds`: which format a file has, from its first bytes and its name
- `limits`: how large a document may be, and how long reading it may take
- `inert_document`: a document without control and invisible characters
- `plain`: text files: encodings, paragraphs
- `markdown`: Markdown files
- `picture`: images, without text of their own
- `visible`: which HTML elements a reader of the page sees
- `html_tokens`: tags, comments and text of HTML
"""
