"""Exceptions: one class for each kind of error of the program."""

import re

# Options of the program that messages of the library name, and what they are here.
OPTIONS = [
    (r"--(window|hop) ([0-9.]+)", r"\1=\2"),
    (r"--root DIR", 'root="DIR"'),
    (r"--one-speaker", "one_speaker=True"),
    (r"--skip-bad", 'errors="skip"'),
    (r"(?<!--release )--(window|hop|root|encoder|features|jobs)\b", r"\1="),
]


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


def in_python(text: str) -> str:
    """A message with the arguments of the functions in place of the options of the program."""
    for option, argument in OPTIONS:
        text = re.sub(option, argument, text)
    return text


def usage(message: str, hint: str) -> BaseException:
    """The exception for a call that cannot be carried out."""
    return exception("Usage", message, hint, 2)


def exception(kind: str, message: str, hint: str | None, exit_code: int) -> BaseException:
    """The exception for an error of the library; `kind` is `Data`, `Io`, ..."""
    if kind == "Interrupted":
        return KeyboardInterrupt(message)
    message, hint = in_python(message), None if hint is None else in_python(hint)
    classes = {one.__name__: one for one in SerError.__subclasses__()}
    error = classes.get(f"{kind}Error", SerError)(message if hint is None else f"{message}\nhint: {hint}")
    error.message, error.hint, error.exit_code = message, hint, exit_code
    return error
