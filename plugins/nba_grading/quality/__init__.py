"""Checks of the data: after each write, and once a day."""
