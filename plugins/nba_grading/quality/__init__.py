"""Checks of the data: straight after a write, and once a day."""
