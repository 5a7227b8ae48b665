"""What is said of an expected error: one line, with the mend, without secrets."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from fireforget._secrets import without_secrets
from fireforget.errors import AdapterError, TransientError

if TYPE_CHECKING:
    from fireforget.errors import FireForgetError

_MENDS: Final = {
    errno.EACCES: "run this as the application's user, or change the owner or mode",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.ENOENT: "mend the path, or make what is missing",
    errno.EISDIR: "name a file, not a directory",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOSPC: "free some space",
    errno.ENOTDIR: "name a directory, or move the file away that is in its place",
    errno.EPERM: "run this as the application's user",
    errno.EROFS: "name a place on a disk that can be written",
}


def advice(error: FireForgetError | OSError) -> str:
    """The line. The system's own errors get their mend here, also where they stand behind one of ours."""
    text, mend = told(error)
    if isinstance(error, TransientError):
        return f"{text} (this may pass: try again)"
    return f"{text}: {mend}" if mend else text


def told(error: FireForgetError | OSError) -> tuple[str, str]:
    """What is wrong, and the mend where it is not one that the text of our own error says."""
    text = without_secrets(str(error))
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(error, AdapterError) or not isinstance(cause, OSError) or cause.strerror is None:
        return text, ""
    if cause is error:
        text = cause.strerror if cause.filename is None else f"{cause.filename}: {cause.strerror}"
    return text, _MENDS.get(cause.errno or 0, "")
