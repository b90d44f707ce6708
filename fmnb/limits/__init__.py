"""What stands between a request and a service: spending caps."""
