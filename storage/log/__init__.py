"""The event log: the outbox, the log, the feed that follows it and the index of its subscriptions."""
