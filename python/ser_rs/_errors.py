"""Exceptions: one class for each kind of error of the program."""


class SerError(Exception):
    """Any error of ser. The text is that of the program, with its hint on a line of its own.

    Attributes:
        message: what is wrong, naming the file or key.
        hint: what can be done, or None.
        exit_code: the exit code with which the program would end.
    """

    message: str
    hint: str | None
    exit_code: int


class InternalError(SerError):
    """A defect of ser."""


class UsageError(SerError, ValueError):
    """A call that cannot be carried out."""


class ConfigError(SerError, ValueError):
    """A wrong setting, such as the name of a feature set that does not exist."""


class DataError(SerError, ValueError):
    """Data that is there but cannot be used: recordings, manifests, models, reports."""


class MissingError(SerError, FileNotFoundError):
    """Something that has to be put in place first: a model, a report, an encoder."""


class IoError(SerError, OSError):
    """The file system refused: no such recording, no permission, no space."""


class NetworkError(SerError):
    """A download failed."""


class TimedOutError(SerError):
    """A task took longer than it was allowed to."""


class BusyError(SerError):
    """Another process works on the same pipeline."""


class SchedulerError(SerError):
    """A cluster's scheduler refused, or did not answer."""


class SerWarning(UserWarning):
    """What has to be known of a result, such as recordings that were excluded."""


def exception(kind: str, message: str, hint: str | None, exit_code: int) -> BaseException:
    """The exception for an error of the library; `kind` is `Data`, `Io`, ..."""
    if kind == "Interrupted":
        return KeyboardInterrupt(message)
    classes = {one.__name__: one for one in SerError.__subclasses__()}
    error = classes.get(f"{kind}Error", SerError)(message if hint is None else f"{message}\nhint: {hint}")
    error.message, error.hint, error.exit_code = message, hint, exit_code
    return error
