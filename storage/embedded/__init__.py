"""The embedded MongoDB, and the checks of an external one. Only the command line and the tests may import it."""
