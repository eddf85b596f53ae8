"""The one error that readers raise, and how others' texts are quoted in it."""

LONGEST = 200  # of a quoted text: a row of pixels has 9,000 characters


class DataError(ValueError):
    """The data cannot be used as it is. The message is for the user: what is wrong, where, and what to do."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return shortened((str(error).splitlines() or [type(error).__name__])[0].rstrip("."))


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text, or its beginning and its length where it is longer."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"
