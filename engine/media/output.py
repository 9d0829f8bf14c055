"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from engine.errors import OutputError

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_target(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> Path:
    """The path as a Path, if a file with one of these extensions could be written there.

    Raises OutputError if the extension is another one, the folder is missing or not to be written to, or the path is
    something else than a file.
    """
    try:
        target = Path(path)
    except TypeError:
        raise OutputError(f"A file is named by text or a path, not by {type(path).__name__}.") from None
    if _checked(target, Path.is_dir):
        raise OutputError(f"'{target}' is a folder; name a file in it, for example '{target / ('out' + suffixes[0])}'.")
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"'{target}' must end in {' or '.join(suffixes)}; rename it.")
    if not _checked(target.parent, Path.is_dir):
        raise OutputError(f"There is no folder '{target.parent}' for '{target.name}'; make it first.")
    if _checked(target, Path.exists) and not _checked(target, Path.is_file):
        raise OutputError(f"'{target}' is no file, but a device or a pipe; choose another name.")
    if not all(os.access(place, os.W_OK) for place in (target.parent, target) if place.exists()):
        raise as_output_error(PermissionError(errno.EACCES, "no permission"), target)
    return target


def _checked(path: Path, question: Callable[[Path], bool]) -> bool:
    """The answer; raises OutputError where the system has none, as for names that are too long."""
    try:
        return question(path)
    except (OSError, ValueError) as error:
        raise as_output_error(error, path) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of the system's for temporary files, gone when the block ends; raises OutputError if there is none."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="mien-", ignore_cleanup_errors=True)
    except OSError as error:
        raise as_output_error(error, Path(error.filename or "a temporary folder")) from error
    with folder as name:
        yield Path(name)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Gives a temporary path beside the target; what is written there becomes the target when the block ends well.

    If the block raises anything, also KeyboardInterrupt, the temporary file is removed and the target stays as it
    was. One that was there keeps its permissions. Raises OutputError if the folder can't be written to, before the
    block starts.
    """
    partial = None
    try:
        try:
            final = target.resolve()  # a link to a file stays a link
            partial = final.with_name(f".mien-{secrets.token_hex(8)}.part")
            partial.touch(exist_ok=False)
        except (OSError, ValueError, RuntimeError) as error:  # a zero byte in the name, a link to itself
            raise as_output_error(error, target) from error
        yield partial
        try:
            if final.exists():
                shutil.copymode(final, partial)
            os.replace(partial, final)
        except OSError as error:
            raise as_output_error(error, target) from error
    finally:
        if partial is not None:
            with suppress(OSError):  # a disk that became read-only meanwhile has been reported
                partial.unlink(missing_ok=True)


def as_output_error(error: Exception, target: Path) -> OutputError:
    """The one sentence for what the operating system said while the target was being written."""
    number = getattr(error, "errno", None)
    if number in FULL:
        return OutputError(f"'{target}' can't be written because the disk is full; make room or choose another folder.")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(
            f"'{target}' can't be written: no permission in that folder, or to replace that file; choose another place."
        )
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OutputError(f"'{target}' can't be written ({reason}); choose another place.")
