"""A stand-in of Salesforce's Enhanced Chat API on loopback, for tests and the demo.

It keeps its state in SQLite, so that it survives SIGKILL like the real service survives. It refuses what the real
service refuses: unknown properties, bad ids, expired tokens, foreign conversations, too many requests. Where the
documentation is silent, it takes the worst case: it does not deduplicate messages, and it may replay no event.
"""
