"""Say what is wrong with an option or argument, where it was set, and what it can be."""

import re
from typing import Any, Final

import click
from click.core import ParameterSource

_NOT_A_NUMBER: Final = re.compile(
    r"(?P<value>.+) is not (?:in the range|a valid (?:integer|float)).*", re.DOTALL
)
_NOT_A_BOOLEAN: Final = re.compile(r"(?P<value>.+) is not a valid boolean.*", re.DOTALL)
_MIN_LIKENESS: Final = 0.7
"""Below it a suggestion leads astray: click takes --where for --help."""


def usage_message(error: click.UsageError) -> str:
    """Return click's message as one sentence in the program's words."""
    # click lists the choices of a missing parameter, a line each.
    message = " ".join(error.format_message().split())
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter):
        message = _about_value(error)
    if isinstance(error, click.NoSuchOption):
        message = _about_option(error)
    return message if message.endswith((".", "?", "?)")) else f"{message}."


def similar_options(error: click.NoSuchOption) -> list[str]:
    """Return the options of click's suggestion that the user may have meant."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - only an error needs it

    wanted = error.option_name.lstrip("-")
    return [
        each
        for each in error.possibilities or ()
        if SequenceMatcher(None, wanted, each.lstrip("-")).ratio() >= _MIN_LIKENESS
    ]


def _about_option(error: click.NoSuchOption) -> str:
    similar = similar_options(error)
    message = click.NoSuchOption(error.option_name, error.message, similar).format_message()
    is_of_group = error.ctx is not None and isinstance(error.ctx.command, click.Group)
    if similar or not is_of_group:
        return message
    return f"{message.rstrip('.')}; an option of a command stands after the command's name"


def _about_value(error: click.BadParameter) -> str:
    param, ctx = error.param, error.ctx
    if param is None or ctx is None:
        return error.format_message()
    name = f"{param.opts[0]}: " if isinstance(param, click.Option) else ""
    problem = _problem(error.message.rstrip("."), param.type)
    return f"{name}{problem}{origin_of(ctx, param)}"


def _problem(message: str, kind: Any) -> str:
    number = _NOT_A_NUMBER.fullmatch(message)
    if number is not None:
        return f"{number['value']} is not {_number(kind)}"
    boolean = _NOT_A_BOOLEAN.fullmatch(message)
    if boolean is not None:
        return f"{boolean['value']} is neither true nor false; write one of the two"
    if isinstance(kind, click.Choice):
        import difflib  # noqa: PLC0415 - only an error needs it

        value = message.partition(" is not one of ")[0].strip("'")
        similar = difflib.get_close_matches(value, list(map(str, kind.choices)), n=1)
        return f"{message}; did you mean {similar[0]!r}?" if similar else message
    return message


def _number(kind: Any) -> str:
    what = "a number" if isinstance(kind, click.types.FloatParamType) else "a whole number"
    if not isinstance(kind, (click.IntRange, click.FloatRange)):
        return what
    bounds = (("from", kind.min), ("to", kind.max))
    return " ".join([what, *(f"{word} {bound}" for word, bound in bounds if bound is not None)])


def origin_of(ctx: click.Context, param: click.Parameter) -> str:
    """Return where a value was set, if that is not the command line."""
    match ctx.get_parameter_source(str(param.name)):
        case ParameterSource.ENVIRONMENT:
            return f" (set by {param.envvar})"
        case ParameterSource.DEFAULT_MAP:
            from gaussdb_tasks.cli.settings_file import place_of  # noqa: PLC0415 - as above

            return f" (set by {place_of(ctx, param)})"
    return ""
