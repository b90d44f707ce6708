"""Readers of documents.

    document.py      what a reader returns: blocks with their locations
"""
