"""Statistics on numpy and the standard library, held to other libraries in tests."""
