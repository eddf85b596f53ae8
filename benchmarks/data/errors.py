"""The one error that readers raise, and how others' errors are quoted in it."""


class DataError(ValueError):
    """The data cannot be used as it is. The message is for the user: what is wrong, where, and what to do."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
