"""Changes of stored documents for a new version, and the record of those that a database has had. Used at the start."""
