"""Live views of lists and counts of rooms. Only schema imports it."""
