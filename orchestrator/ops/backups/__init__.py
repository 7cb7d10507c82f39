"""Backups: a mark of what the database holds at an instant, and the comparison of a restored server."""
