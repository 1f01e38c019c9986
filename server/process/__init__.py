"""Starts and stops the server: one process or several workers. Only `server.cli` imports it."""
