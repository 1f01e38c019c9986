"""The embedded MongoDB and the checks of an external one; imported by the command line and the tests alone."""
