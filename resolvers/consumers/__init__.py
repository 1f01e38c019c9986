"""Consumers: named positions in the event log, each leased by one connection at a time."""
