"""
Whether somebody still has a file open for writing.

A writer that does not know of a rotation goes on writing to the file that was moved away. The
kernel knows: a read lease (fcntl(2), F_SETLEASE) is granted for a file only while nobody has it
open for writing. It is given back at once. It is granted to the owner of the file and to root; for
others nothing is known.
"""

from __future__ import annotations

import errno
import fcntl
import signal

# Whoever opens the file in the instant of the lease makes the kernel signal it to us; the default
# signal would end the process, this one does nothing.
_SIGNAL = signal.SIGURG


def has_writer(fd: int) -> bool | None:
    """Return whether the file of a descriptor is open for writing; None if that is not known."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, _SIGNAL)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False
