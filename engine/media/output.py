"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.errors import OutputError

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_target(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> Path:
    """The path as a Path, if a file with one of these extensions could be written there.

    Raises OutputError if the extension is another one, the folder is missing, or the path is itself a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"'{target}' is a folder; name a file in it, for example '{target / ('out' + suffixes[0])}'.")
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"'{target}' must end in {' or '.join(suffixes)}; rename it.")
    if not target.parent.is_dir():
        raise OutputError(f"There is no folder '{target.parent}' for '{target.name}'; make it first.")
    return target


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Gives a temporary path beside the target; what is written there becomes the target when the block ends well.

    If the block raises anything, also KeyboardInterrupt, the temporary file is removed and the target stays as it
    was. Raises OutputError if the folder can't be written to, before the block starts.
    """
    final = target.resolve()  # a link to a file stays a link
    partial = final.with_name(f".mien-{secrets.token_hex(8)}.part")
    try:
        try:
            partial.touch(exist_ok=False)
        except OSError as error:
            raise as_output_error(error, target) from error
        yield partial
        try:
            os.replace(partial, final)
        except OSError as error:
            raise as_output_error(error, target) from error
    finally:
        partial.unlink(missing_ok=True)


def as_output_error(error: Exception, target: Path) -> OutputError:
    """The one sentence for what the operating system said while the target was being written."""
    number = getattr(error, "errno", None)
    if number in FULL:
        return OutputError(f"'{target}' can't be written because the disk is full; make room or choose another folder.")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"'{target}' can't be written: no permission in that folder; choose another one.")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OutputError(f"'{target}' can't be written ({reason}); choose another place.")
