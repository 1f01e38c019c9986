"""What is true: records, the facts told about them, and the only code that talks to MongoDB."""
