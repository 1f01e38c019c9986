"""The embedded MongoDB, and the checks of an external one."""
