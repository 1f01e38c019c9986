"""Acknowledgements of one event in the transaction of a mutation, so that its effect is taken once."""

from collections.abc import Callable
from functools import partial

from resolvers import names
from resolvers.context import Context, EventAck
from resolvers.log_positions import require_existing
from storage import acknowledgements, consumers
from storage.consumer_records import Consumer
from storage.errors import InvalidCursor, NotFound
from storage.mongo.cursors import event_sequence
from storage.mongo.reader import Reader
from storage.transactions.transaction import Transaction

#: The scope that `ack` needs, in addition to those of the mutation.
SCOPE = "events:read"


async def find_consumer(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    """Find a consumer by owner and name, in every Unicode normalization form of the name."""
    for form in names.forms(name):
        if (consumer := await consumers.find(reader, owner_id, form)) is not None:
            return consumer
    return None


async def get_consumer(reader: Reader, owner_id: str, name: str, *, key: str) -> Consumer:
    """Find a consumer as `find_consumer` does. Raises NotFound."""
    consumer = await find_consumer(reader, owner_id, name)
    if consumer is None:
        raise NotFound("consumer", name, key=key)
    return consumer


async def event_of(context: Context, cursor: str, *, key: str) -> int:
    """The sequence of the event with this cursor, even if it was trimmed. Raises InvalidCursor."""
    sequence = event_sequence(cursor, key=key)
    if sequence == 0:
        raise InvalidCursor("This is the cursor of the beginning of the log, and not of an event.", key=key)
    await require_existing(context.storage, sequence, key=key)
    return sequence


async def require_unacknowledged(context: Context, ack: EventAck, reader: Reader) -> tuple[Consumer, int]:
    """The consumer and the sequence of an acknowledgement.

    Raises InvalidCursor, NotFound if the caller has no such consumer, and AlreadyAcknowledged.
    """
    sequence = await event_of(context, ack.cursor, key="ack.cursor")
    consumer = await get_consumer(reader, context.caller.id, ack.consumer, key="ack.consumer")
    await acknowledgements.require_unacknowledged(reader, consumer, sequence)
    return consumer, sequence


async def acknowledge(tx: Transaction, context: Context, ack: EventAck) -> Callable[[], None]:
    """Acknowledge one event in the transaction. Returns what to call after the commit.

    Raises as `require_unacknowledged` does.
    """
    consumer, sequence = await require_unacknowledged(context, ack, tx)
    acknowledgements.insert(tx, consumer, sequence)
    return partial(notify, context, consumer, sequence, only=True)


def notify(context: Context, consumer: Consumer, sequence: int, *, only: bool) -> None:
    """Pass a committed acknowledgement to the connection of this process that reads for the consumer."""
    context.services.acknowledgement_hub.notify(consumer.owner_id, consumer.name, sequence, only=only)
