"""The connection to MongoDB, and generic reading: batches, pages, counts, retries. Only storage may import it."""
