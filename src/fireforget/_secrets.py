"""Secrets in texts that somebody is going to read."""

from __future__ import annotations

import re
from typing import Final

_CREDENTIALS: Final = re.compile(r"(?s)(?<!/)//(?=[^/?#\s]*[:@]).*@")
"""All up to the last ``@`` after a URL's authority that has a user or a port, so that whatever stands in a password is
left out: a quote, a space, even a ``/`` or an ``@`` that should have been escaped."""
_SECRET_PARAMETERS: Final = re.compile(r"(?i)((?:password|secret|key|token|signature|sig)=)[^&\s'\"]+")


def without_secrets(text: str) -> str:
    """The URL, or the text with a URL in it, with credentials replaced by ``***``; rather too much than too little."""
    return _SECRET_PARAMETERS.sub(r"\1***", _CREDENTIALS.sub("//***@", text))
