"""Running the server: one process or several workers, and their shutdown."""
