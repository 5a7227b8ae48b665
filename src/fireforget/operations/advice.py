"""What is said of an expected error: one line, with the mend, without secrets."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from fireforget._settings import without_secrets
from fireforget.errors import AdapterError, TransientError

if TYPE_CHECKING:
    from fireforget.errors import FireForgetError

_MENDS: Final = {
    errno.EACCES: "run this as the application's user, or change the owner or mode",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EISDIR: "name a file, not a directory",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOSPC: "free some space",
    errno.ENOTDIR: "name a directory, or move the file away that is in its place",
    errno.EPERM: "run this as the application's user",
    errno.EROFS: "name a place on a disk that can be written",
}


def advice(error: FireForgetError | OSError) -> str:
    """The line. The system's own errors get their mend here, also where they stand behind one of ours."""
    text = without_secrets(str(error))
    if isinstance(error, AdapterError):
        return f"{text} (this may pass: try again)" if isinstance(error, TransientError) else text
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.strerror is not None:
        if cause is error:
            text = cause.strerror if cause.filename is None else f"{cause.filename}: {cause.strerror}"
        mend = _MENDS.get(cause.errno or 0, "")
        return f"{text}{mend and f': {mend}'}"
    return text
