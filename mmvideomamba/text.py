"""Text of other people, shown."""


def printable(text: object, keep: str = '') -> str:
    """Escape what a terminal would obey, or a reader could not see.

    Names in lists, checkpoints and folders may hold control sequences, which
    clear a screen or set its title, marks that turn the direction of what
    follows, or bytes that are no UTF-8.

    Args:
        text (object): Shown as `str` gives it.
        keep (str): Characters that stay, such as the line ends of a message
            of several lines.

    Returns:
        str: The same in printable characters; the others as in Python's
        source, such as '\\x1b'.
    """
    text = str(text)
    if text.isprintable():
        return text
    return ''.join(
        char
        if char.isprintable() or char in keep
        else char.encode('unicode_escape').decode()
        for char in text
    )
