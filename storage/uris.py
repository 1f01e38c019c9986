"""SWITCHBOARD_MONGODB_URI: which of its options are overridden, and which parts of it may be shown."""

import logging
import re

logger = logging.getLogger(__name__)

#: Options that Switchboard overrides: in lower case, and as MongoDB's documentation spells them.
OVERRIDDEN = {
    name.lower(): name
    for name in (
        "readPreference",
        "maxStalenessSeconds",
        "readPreferenceTags",
        "readConcernLevel",
        "w",
        "wTimeoutMS",
        "journal",
        "retryReads",
        "retryWrites",
        "compressors",
        "zlibCompressionLevel",
    )
}


class UnusableURI(ValueError):
    """The URI cannot be used. The message is one line and contains no part of the password."""


def without_overridden_options(uri: str, *, connections: int) -> str:
    """The URI without the options that Switchboard overrides, which are logged.

    Raises UnusableURI for an unescaped password, and for a `maxPoolSize` below `connections`.
    """
    if has_unescaped_password(uri):
        raise UnusableURI(
            "The user or the password in SWITCHBOARD_MONGODB_URI contains a character that must be escaped: write %40 "
            "for @, %2F for /, %3A for :, %3F for ?, %23 for # and %25 for %."
        )
    head, mark, query = uri.partition("?")
    remaining, overridden = [], []
    for option in filter(None, re.split("[&;]", query)):
        name, _, value = option.partition("=")
        if name.lower() in OVERRIDDEN:
            overridden.append(OVERRIDDEN[name.lower()])
            continue
        if name.lower() == "maxpoolsize" and value.isdecimal() and 0 < int(value) < connections:
            raise UnusableURI(
                f"SWITCHBOARD_MONGODB_URI sets maxPoolSize={value}, and Switchboard needs at least {connections} "
                "connections per process: raise it, or leave it out."
            )
        remaining.append(option)
    if overridden:
        logger.warning(
            "SWITCHBOARD_MONGODB_URI: %s has no effect; Switchboard reads from the primary with read concern majority, "
            "writes with write concern majority, and compresses nothing.",
            ", ".join(dict.fromkeys(overridden)),
        )
    return f"{head}{mark}{'&'.join(remaining)}".rstrip("?")


def has_unescaped_password(uri: str) -> bool:
    """Whether the user or the password contains a character that must be escaped."""
    rest = uri.partition("://")[2]
    authority = re.split("[/?#]", rest)[0]
    if authority.count("@") > 1:
        return True
    # An @ after the authority is part of a password, except in the value of an option.
    after = rest[len(authority) :]
    path, _, query = after.partition("?")
    if "@" in path or "#" in after:
        return True
    user, _, password = authority.partition(":")
    return "@" not in authority and "@" in query and bool(user) and not password.isdecimal() and bool(password)


def redact(uri: str) -> str:
    """The hosts of a URI, which may be shown and logged."""
    rest = uri.partition("://")[2]
    if has_unescaped_password(uri):
        return "the hosts of SWITCHBOARD_MONGODB_URI"
    return re.split("[/?]", rest)[0].rpartition("@")[2]


def without_quotations(message: str) -> str:
    """The driver's message without quoted parts of the URI, which may be parts of the password."""
    return re.sub(r"""(['"]).*\1""", "...", message)
