"""An error with slots, in a module that tasks can import."""


class SlottedError(Exception):
    """It has a value that is not in its dictionary."""

    __slots__ = ("__secret", "code")

    def secret(self):
        """Return what only this class can name."""
        return self.__secret

    def __init__(self, text):
        super().__init__(text)
        self.code, self.__secret = 0, 0

    def set(self, code, secret):
        """Set both."""
        self.code, self.__secret = code, secret
        return self


def raise_it():
    """Raise one."""
    raise SlottedError("why").set(7, 8)
