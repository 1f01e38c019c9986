"""What one process counts and measures for Prometheus, and the log of its operations."""
