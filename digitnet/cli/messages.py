"""Lines for people, on stderr or stdout: what would steer a terminal is shown, not obeyed."""

import unicodedata

import click

UNSEEN = ("Cc", "Cf", "Zl", "Zp")
"""Unicode's control characters, among them those of terminals, invisible ones such as a change of direction, and ends
of lines and paragraphs."""


def visible(text: str, keep: str = "") -> str:
    r"""The text with such characters as escapes, as \x1b or \u202e; but for those to be kept."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in UNSEEN and character not in keep
        else character
        for character in text
    )


def say(line: str, err: bool = True, keep: str = "") -> None:
    """Print a line; several, where newlines are kept."""
    click.echo(visible(line, keep), err=err)
