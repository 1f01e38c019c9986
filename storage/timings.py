"""The intervals and time-outs of storage, which tests shorten or lengthen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds of one process."""

    #: How long a read may fail, or wait for a primary. An ordinary replica set elects one in about twelve seconds.
    read_timeout: float = 10.0
    #: From one heartbeat of this process to the next.
    heartbeat: float = 0.5
    #: From one poll of the heartbeats of other processes to the next.
    heartbeat_poll: float = 1.0
    #: From one check of the version of the data to the next.
    data_version_check: float = 10.0
    #: How long a start waits for processes that cannot use the data after a migration.
    older_processes: float = 30.0
    #: Interval at which the log is polled, and so the longest delay of other processes' facts without a change stream.
    log_poll: float = 0.5
    #: From one sweep of the outbox to the next. Facts that are in the outbox at two sweeps were left by a process that
    #: died or lost the database.
    outbox_sweep: float = 1.5
    #: How long a connection has the lease of a consumer without renewing it.
    consumer_lease: float = 5.0
    #: The pause before a renewal is repeated that the database did not answer.
    consumer_lease_retry: float = 0.5
    #: How long a mutation may wait for locks, lose conflicts and wait for a primary. A failover of an ordinary replica
    #: set takes about twelve seconds.
    transaction: float = 20.0
    #: The pause before a read for an event of a subscription is repeated.
    delivery_retry: float = 0.5
    #: The interval at which one process trims the log and purges removed custom fields.
    maintenance: float = 60.0


DEFAULT_TIMINGS = Timings()
