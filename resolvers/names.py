"""Names: the characters that they allow, their normal form, and the comparison of names that look alike.

A name is a text that identifies an object: usernames, emails, tokens of visitors, names of roles, departments, apps and
consumers, and tags. docs/reference/names.md describes the rules.
"""

import unicodedata
from functools import cache

from storage.errors import Invalid

#: Unicode's Default_Ignorable_Code_Point, and other invisible characters. Includes bidirectional controls.
_INVISIBLE = frozenset(
    code
    for first, last in (
        (0x00AD, 0x00AD),
        (0x034F, 0x034F),
        (0x061C, 0x061C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),
        (0x2028, 0x202E),
        (0x2060, 0x206F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFFB),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)
_JOINERS = "\u200c\u200d"
_KEYCAP = "\u20e3"
_EMOJI_STYLE = "\ufe0f"
_VIRAMA = 9
#: Prefixes of character names, for scripts in which a joiner changes the shape of letters.
_JOINING_SCRIPTS = ("ARABIC", "SYRIAC", "MONGOLIAN", "NKO", "MANDAIC", "PHAGS-PA", "MANICHAEAN", "ADLAM")


def normalised(name: str) -> str:
    """The name in NFC, the form in which names are stored."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def forms(name: str) -> tuple[str, ...]:
    """The forms in which a name may be stored: NFC first, then the forms that older versions stored."""
    if name.isascii():
        return (name,)
    return tuple(dict.fromkeys((normalised(name), name, unicodedata.normalize("NFD", name))))


def check(name: str, key: str) -> None:
    """Raise Invalid for a control character, an invisible character, and a bidirectional control."""
    if name.isascii() and name.isprintable():
        return
    for index, character in enumerate(name):
        code = ord(character)
        control = unicodedata.category(character) == "Cc"
        if control or (code in _INVISIBLE and not _is_shaping(name, index)):
            description = "a control character" if control else unicodedata.name(character, "an invisible character")
            raise Invalid(
                f"{key} must not contain U+{code:04X} ({description}), which is character {index + 1} of it: "
                "names take no invisible, bidirectional or control characters.",
                key=key,
            )


def _is_shaping(name: str, index: int) -> bool:
    """Whether an invisible character is needed for the shape of its neighbors, as in Persian, Hindi and emoji."""
    character, before, after = name[index], name[index - 1 : index], name[index + 1 : index + 2]
    if not before:
        return False
    if character == _EMOJI_STYLE:
        return (
            unicodedata.category(before) == "So" or before in "‼⁉↔" or (before in "#*0123456789" and after == _KEYCAP)
        )
    if character not in _JOINERS or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if _joins(before) and _joins(after):
        return True
    emoji = unicodedata.category(before) in ("So", "Sk") or before == _EMOJI_STYLE
    return character == "\u200d" and emoji and unicodedata.category(after) == "So"


def _joins(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_JOINING_SCRIPTS)


# ---------------------------------------------------------------- confusable names


def lookalike_key(name: str) -> str:
    """The same text for all names that differ only in case or in letters that look alike.

    A letter outside of ASCII is replaced by the ASCII letter that Unicode's table of confusables (UTS 39) gives for it.
    ASCII letters stand for themselves: `paul1` and `paull` are two names.
    """
    if name.isascii():
        return name.casefold()
    visible = "".join(character for character in name if ord(character) not in _INVISIBLE)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    # A letter that is replaced may form one character with the accent behind it.
    return unicodedata.normalize("NFKC", folded.translate(_ascii_lookalikes()).casefold())


@cache
def _ascii_lookalikes() -> dict[int, str]:
    # Imported on first use: loading the table takes 0.1 seconds, and many deployments do not need it.
    from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]

    lookalikes = {}
    for character, similar in confusables_data.items():
        if len(character) == 1 and not character.isascii():
            ascii_alike = next((letter["c"] for letter in similar if letter["c"].isascii()), None)
            if ascii_alike is not None:
                lookalikes[ord(character)] = ascii_alike
    return lookalikes
