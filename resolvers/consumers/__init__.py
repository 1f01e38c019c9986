"""Consumers: positions in the event log, each leased by one connection at a time. Operations of nouns import it."""
