"""Mailers that need no cloud: a directory, and a mail server."""

from __future__ import annotations

from fireforget.local.mail._file import FileMailer
from fireforget.local.mail._smtp import Encryption, SMTPMailer, SMTPServer

__all__ = ["Encryption", "FileMailer", "SMTPMailer", "SMTPServer"]
