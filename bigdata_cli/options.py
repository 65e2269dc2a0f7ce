"""What an option is. Each is defined once: as a field of the dataclass of a request.

    @dataclass(frozen=True, kw_only=True)
    class ConvertOptions:
        shards: int | None = option("Number of shards.", COUNT, default=None)

The field has the name, the type and the default; the `Option` in its metadata the help, the kind of
its values, and the names for the user where they differ from the field's. From these follow the
options of the command line (cli/options.py), the signatures and docstrings of api.py and the tables
of docs/python.md (signatures.py), and the names in errors (argument_names.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar

from bigdata_cli.errors import UsageError, closest
from bigdata_cli.option_kinds import (
    FLAG,
    INTEGER,
    NUMBER,
    PATH,
    PLACE,
    TEXT,
    Bounds,
    Kind,
    unique_pairs,
)

Request = TypeVar("Request")


class Option(NamedTuple):
    """One option.

    Attributes:
        help: What it does, in a sentence or two; other options in it are named by their flags.
        kind: Of its values; None for the one of the field's type.
        argument: The name in Python; the field's where it is empty.
        flag: On the command line; follows from `argument` where it is empty.
        short: A flag of one letter.
        group: The heading that it stands under; the one of the option before where it is empty.
        metavar: In place of the kind's.
        default_text: What holds where it is not given, where the default does not say that.
        no_trace: It changes no byte of a dataset, or counts by what it led to.
        manifest: Its name in a manifest; empty where it is not there.
        is_rare: `--help-all` shows it, and `--help` does not.
        field, type, default: Of the dataclass; filled in by `options_of`.
    """

    help: str
    kind: Kind | None = None
    argument: str = ""
    flag: str = ""
    short: str = ""
    group: str = ""
    metavar: str = ""
    default_text: str = ""
    no_trace: bool = False
    manifest: str = ""
    is_rare: bool = False
    field: str = ""
    type: str = ""
    default: Any = MISSING

    @property
    def values(self) -> Kind:
        """The kind of its values."""
        assert self.kind is not None
        return self.kind

    @property
    def takes_value(self) -> bool:
        """Whether a value follows its flag; it is on or off otherwise."""
        return self.kind is not FLAG

    def flag_of(self, value: object) -> str:
        """The flag under which a value is given: `--trim`, `--no-trim`."""
        if value is False:
            return f"--no-{self.flag.removeprefix('--')}"
        return self.flag

    def words(self, value: Any) -> list[str]:
        """The words of a command line that give the value.

        >>> from bigdata_cli.option_kinds import TEXTS
        >>> Option("Of the file.", TEXTS, flag="--null").words(("-", "?"))
        ['--null', '-', '--null', '?']
        """
        if not self.takes_value:
            return [self.flag_of(value)]
        if self.values.collect is tuple:  # it is repeated
            return [word for one in value for word in (self.flag, self.values.write(one))]
        if self.values.collect is unique_pairs:
            pairs = (f"{_name_in_pair(key)}={one}" for key, one in value.items())
            return [word for pair in pairs for word in (self.flag, pair)]
        return [self.flag, self.values.write(value)]


def _name_in_pair(name: str) -> str:
    """A name before an equals sign, in quotes where it has one itself."""
    return '"' + name.replace('"', '""') + '"' if "=" in name else name


def option(help: str, kind: Kind | None = None, *, default: Any = MISSING, **about: Any) -> Any:
    """A field of a request, with its `Option`; without a default it has to be given."""
    metadata = {"option": Option(help, kind, **about)}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(request: type, group: str = "") -> Iterator[Option]:
    """The options of a request in their order, with those of the dataclasses in it.

    Args:
        request: The dataclass.
        group: That of the first options, where they have none of their own.
    """
    for part in fields(request):
        if inner := _dataclass_in(part):
            for one in options_of(inner, group):
                group = one.group
                yield one
        elif "option" in part.metadata:
            one = part.metadata["option"]
            argument = one.argument or part.name
            group = one.group or group
            yield one._replace(
                kind=one.kind or _kind_of(str(part.type)),
                argument=argument,
                flag=one.flag or f"--{argument.replace('_', '-')}",
                group=group,
                field=part.name,
                type=part.type,
                default=part.default if part.default_factory is MISSING else part.default_factory(),
            )


def request_of(request: type[Request], arguments: Mapping[str, Any]) -> Request:
    """A request from arguments by the names of its options; others are not looked at."""
    given: dict[str, Any] = {
        name: request_of(part, arguments) for name, part in _parts(request).items()
    }
    own = _own_fields(request)
    for one in options_of(request):
        if one.field in own and one.argument in arguments:
            given[one.field] = _accepted(one, arguments[one.argument])
    names = {part.name for part in fields(request)} - own - given.keys()  # type: ignore[arg-type]
    given |= {name: arguments[name] for name in names if name in arguments}
    return request(**given)


def values_of(request: Any) -> Iterator[tuple[Option, Any]]:
    """The options of a request in their order, each with its value."""
    parts = [request, *(getattr(request, name) for name in _parts(type(request)))]
    owners = {name: part for part in reversed(parts) for name in _own_fields(type(part))}
    for one in options_of(type(request)):
        yield one, getattr(owners[one.field], one.field)


def given_options(request: Any) -> list[tuple[Option, Any]]:
    """The options of a request whose values are not the default ones, with their values."""
    return [(one, value) for one, value in values_of(request) if value != one.default]


def manifest_entry(request: Any) -> dict[str, Any]:
    """What a manifest says of a request, as plain JSON by the names of its options there."""
    return {
        one.manifest: list(value) if isinstance(value, tuple) else value
        for one, value in values_of(request)
        if one.manifest
    }


def _parts(request: type) -> dict[str, type]:
    """The dataclasses in a request by the names of their fields."""
    return {part.name: inner for part in fields(request) if (inner := _dataclass_in(part))}


def _dataclass_in(part: Field[Any]) -> type | None:
    factory: Any = part.default_factory
    return factory if isinstance(factory, type) and is_dataclass(factory) else None


def _own_fields(request: type) -> set[str]:
    return {part.name for part in fields(request) if "option" in part.metadata}


def _accepted(one: Option, value: Any) -> Any:
    if value is None and one.default is not MISSING:
        return one.default  # None is "not given" too where the field is never None
    return accepted(one.argument, value, one.values, python_type(one))


def accepted(argument: str, value: Any, kind: Kind, type_: str = "") -> Any:
    """The value of an argument in Python; raises UsageError, with the value that was meant."""
    try:
        given = kind.accept(value)
    except UsageError as error:
        if error.message.startswith(argument):
            raise
        raise UsageError(f"{argument}: {error.message}", hint=error.hint) from error
    except (TypeError, ValueError, OverflowError) as error:
        meant = None
        if isinstance(value, str) and kind is not FLAG:
            with suppress(UsageError, TypeError, ValueError):
                meant = (
                    kind.parse(value) if kind.collect is None else kind.collect([kind.parse(value)])
                )
        raise UsageError(
            f"{argument} is {value!r}; its type is {type_ or kind.annotation}",
            hint=None if meant is None else f"{argument}={python_literal(meant)}",
        ) from error
    if kind.choices and isinstance(given, str) and given not in kind.choices:
        close = closest(given, kind.choices)
        raise UsageError(
            f"{argument} is {python_literal(given)}, which is none of "
            f"{', '.join(map(python_literal, kind.choices))}",
            hint=None if close is None else f"{argument}={python_literal(close)}",
        )
    return given


def python_literal(value: object) -> str:
    """A value as an argument in Python is written: `["a", "b"]`, `{"a": 1}`.

    >>> python_literal(("a", "b")), python_literal({"a": 1})
    ('["a", "b"]', '{"a": 1}')
    """
    if isinstance(value, dict):
        pairs = (f"{python_literal(key)}: {python_literal(one)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(python_literal, value))}]"
    if isinstance(value, str) and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return repr(value)


def python_type(one: Option) -> str:
    """The type of the argument in Python, as it is written.

    >>> python_type(Option("Threads.", INTEGER, type="int | None", default=None))
    'int | None'
    """
    type_ = one.values.annotation or one.type
    is_optional = (one.default is None or one.default == {}) and not type_.endswith("| None")
    return f"{type_} | None" if is_optional else type_


def _kind_of(type_: str) -> Kind:
    places = {"Path": PATH, "Place": PLACE}
    kinds = {"bool": FLAG, "int": INTEGER, "float": NUMBER, "str": TEXT, **places}
    return kinds[type_.removesuffix(" | None")]


def check_bounds(request: Any) -> None:
    """Raise UsageError where a number is beyond the bounds of its option."""
    for one, value in values_of(request):
        bounds = one.values.bounds
        if bounds is None or value is None or isinstance(value, str):
            continue
        low, high = bounds.minimum, bounds.maximum
        is_low = low is not None and not (value > low if bounds.min_open else value >= low)
        is_high = high is not None and not (value < high if bounds.max_open else value <= high)
        if is_low or is_high:
            raise UsageError(f"{one.flag} {value}: it is {_in_words(bounds)}")


def _in_words(bounds: Bounds) -> str:
    """A range in words.

    >>> _in_words(Bounds(0, 10, min_open=True)), _in_words(Bounds(1))
    ('above 0, up to 10', 'at least 1')
    """
    parts = []
    if bounds.minimum is not None:
        parts.append(f"{'above' if bounds.min_open else 'at least'} {bounds.minimum:g}")
    if bounds.maximum is not None:
        parts.append(f"{'below' if bounds.max_open else 'up to'} {bounds.maximum:g}")
    return ", ".join(parts)
