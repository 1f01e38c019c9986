"""What SWITCHBOARD_MONGODB_URI may say: which of its options count, and what may be shown of it."""

import logging
import re

logger = logging.getLogger(__name__)

#: Options that Switchboard decides itself, in lower case, as MongoDB's documentation spells them.
DECIDED = {
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
    """The URI cannot be used; the message says why in one line, without any piece of a password."""


def settle(uri: str, *, connections: int) -> str:
    """The URI without the options that Switchboard decides itself, which one line in the log names.

    Raises UnusableURI for an unescaped password, and for a `maxPoolSize` below the number of connections needed.
    """
    if has_unescaped_password(uri):
        raise UnusableURI(
            "The user or the password in SWITCHBOARD_MONGODB_URI contains a character that must be escaped: write %40 "
            "for @, %2F for /, %3A for :, %3F for ?, %23 for # and %25 for %."
        )
    head, mark, query = uri.partition("?")
    kept, overridden = [], []
    for option in filter(None, re.split("[&;]", query)):
        name, _, value = option.partition("=")
        if name.lower() in DECIDED:
            overridden.append(DECIDED[name.lower()])
            continue
        if name.lower() == "maxpoolsize" and value.isdecimal() and 0 < int(value) < connections:
            raise UnusableURI(
                f"SWITCHBOARD_MONGODB_URI sets maxPoolSize={value}, and Switchboard needs at least {connections} "
                "connections per process: raise it, or leave it out."
            )
        kept.append(option)
    if overridden:
        logger.warning(
            "SWITCHBOARD_MONGODB_URI: %s has no effect; Switchboard reads at the primary what a majority holds, writes "
            "to a majority, and compresses nothing.",
            ", ".join(dict.fromkeys(overridden)),
        )
    return f"{head}{mark}{'&'.join(kept)}".rstrip("?")


def has_unescaped_password(uri: str) -> bool:
    """Whether the user or the password contains a character that ends them too early."""
    rest = uri.partition("://")[2]
    authority = re.split("[/?#]", rest)[0]
    if authority.count("@") > 1:
        return True
    # An @ after the authority belongs to a password, but for the value of an option.
    beyond = rest[len(authority) :]
    path, _, query = beyond.partition("?")
    if "@" in path or "#" in beyond:
        return True
    user, _, password = authority.partition(":")
    return "@" not in authority and "@" in query and bool(user) and not password.isdecimal() and bool(password)


def redact(uri: str) -> str:
    """The hosts of a URI: what may be shown and logged of it."""
    rest = uri.partition("://")[2]
    if has_unescaped_password(uri):
        return "the hosts of SWITCHBOARD_MONGODB_URI"
    return re.split("[/?]", rest)[0].rpartition("@")[2]


def without_quotations(message: str) -> str:
    """The message of the driver without what it quotes of the URI, which may be a piece of a password."""
    return re.sub(r"""(['"]).*\1""", "...", message)
