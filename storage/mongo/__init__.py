"""The connection to MongoDB, and generic reading: batches, pages, counts, retries."""
