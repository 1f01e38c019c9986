"""Running a change as one MongoDB transaction: retries, locks, leases, heartbeats and idempotency."""
