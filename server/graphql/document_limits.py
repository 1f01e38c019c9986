"""The limits of documents, from the settings."""

from schema.execution.cost_limits import Limits
from server.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """The limits of one document."""
    return Limits(
        characters=settings.max_characters,
        tokens=settings.max_tokens,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        directives=settings.max_directives,
        root_fields=settings.max_root_fields,
        operations=settings.max_document_operations,
        fragments=settings.max_fragments,
        repetitions=settings.max_repetitions,
        spreads=settings.max_spreads,
        complexity=settings.max_complexity,
        introspection=settings.introspection,
    )
