"""Servers that other programs call.

Planned are an OpenAI-compatible server, the MCP server and deployment files.

- `http_server`: an HTTP server with an API key, limits and a graceful stop, on the background event loop
"""
