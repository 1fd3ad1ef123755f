"""Regular expressions that are compiled when they are first used: a command uses few of those that it imports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, AnyStr

if TYPE_CHECKING:

    def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
        """Return what `re.compile` returns."""

else:

    class pattern:  # noqa: N801 - it is used like a function
        """A regular expression with the methods of `re.Pattern`."""

        def __init__(self, text: AnyStr, flags: int = 0) -> None:
            """Take what `re.compile` takes."""
            self.pattern, self._flags = text, flags

        def __getattr__(self, name: str) -> object:
            """Return a method, which from now on is found without this function."""
            method = getattr(re.compile(self.pattern, self._flags), name)
            if not name.startswith("__"):
                setattr(self, name, method)
            return method
