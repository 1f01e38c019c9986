"""The connection to MongoDB and everything generic about reading from it; storage alone imports it."""
