"""What one process counts and measures for Prometheus. The graphql and process packages import it."""
