"""`authsvc describe`: messages for people, from hexadecimal, a file, standard input or a capture."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.framing import FRAMINGS
from authsvc.codec.pan import PanDisplay

GUESS, STDIN, NO_HEADER = "guess", "-", "none"


@click.command()
@click.argument("message")
@click.option("--dialect", type=click.Choice([GUESS, *DIALECTS]), default=GUESS, show_default=True)
@click.option("--framing", type=click.Choice([GUESS, NO_HEADER, *FRAMINGS]), default=GUESS, show_default=True)
@click.option("--inclusive", is_flag=True, help="The length counts its own header; with --framing.")
@click.option("--tpdu", is_flag=True, help="Five bytes of addresses begin every payload; with --framing.")
@click.option("--vap", is_flag=True, help="Two zero bytes follow the length; with --framing.")
@click.option("--clear", is_flag=True, help="Show card numbers. Tracks, PIN blocks and CVV2 are never shown.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def describe(
    message: str, dialect: str, framing: str, inclusive: bool, tpdu: bool, vap: bool, clear: bool, as_json: bool
) -> None:
    """Show messages field by field, secrets masked.

    MESSAGE: hexadecimal, a raw message, a file of either, a pcap or pcapng file, a text file with one frame a line ("TIME >
    HEX", or "<" for an answer), or - for standard input. Exit 1: one is broken.
    """
    # Only here: nobody else needs what reads captures and knows currencies, least of all `serve`.
    from authsvc.reading import frames, shown, spoken

    flags = [name for name, given in (("inclusive", inclusive), ("tpdu", tpdu), ("vap", vap)) if given]
    if flags and framing == GUESS:
        raise click.UsageError(f"--{flags[0]} needs --framing")
    told = frames.read(
        _content_of(message),
        list(DIALECTS) if dialect == GUESS else [dialect],
        spoken.every_framing() if framing == GUESS else spoken.every_framing(framing, flags),
        PanDisplay.CLEAR if clear else PanDisplay.MASKED,
    )
    click.echo(shown.as_json(told) if as_json else shown.as_text(told))
    if not all(frame.is_whole for frame in told.frames):
        sys.exit(1)


def _content_of(message: str) -> bytes:
    """Standard input, or what is in the file of this name, else `message` itself, which can be too long for a name."""
    if message == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(message).read_bytes()
    except (OSError, ValueError):
        return message.encode("latin-1", "replace")
