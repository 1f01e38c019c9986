"""The event log: outbox, log, feed and subscription index; transactions, the modules of storage above them and all
other layers may import it."""
