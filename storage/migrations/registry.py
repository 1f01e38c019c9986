"""All migrations, oldest first. One that was released is never changed."""

from storage.migrations.folded_text import add_folded_text
from storage.migrations.message_numbers import add_message_numbers
from storage.migrations.migration import Migration

MIGRATIONS: tuple[Migration, ...] = (
    # Both for 0.2.0. Servers of 0.1.0 send messages without numbers, and texts without their folded form.
    Migration(1, "message numbers", add_message_numbers),
    Migration(2, "folded text", add_folded_text),
)
