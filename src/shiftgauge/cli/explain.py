"""What a schema refuses, told on one line: the place, what is allowed there, what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from shiftgauge.checks import nearest
from shiftgauge.cli.yaml_file import Steps, YamlText, dotted


def explain(error: ValidationError, values: Mapping[str, Any], text: YamlText, schema: type[BaseModel]) -> str:
    """One line for the first problem; alternatives of one value (a number or `auto`) are told together.

    Args:
        error: What the schema refused.
        values: The values with every `--set`.
        text: Where each key stands in the file.
        schema: The schema, for the keys that it allows.
    """
    problems: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
    for item in error.errors(include_url=False):
        problems.setdefault(_steps(item, values), []).append(dict(item))
    deepest = [steps for steps in problems if not any(_is_below(other, steps) for other in problems)]
    unknown = [steps for steps in deepest if problems[steps][0]["type"] == "extra_forbidden"]
    steps = (unknown or deepest)[0]
    more = len(deepest) - 1
    tail = f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""
    in_file = value_at(text.values, steps) == value_at(values, steps)
    place = text.place(steps) if in_file else "--set"
    return f"{place}: {_sentence(steps, problems[steps], schema)}{tail}"


def _is_below(steps: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    return len(steps) > len(other) and steps[: len(other)] == other


def _sentence(steps: tuple[str | int, ...], items: list[Mapping[str, Any]], schema: type[BaseModel]) -> str:
    name, first = dotted(steps), items[0]
    if first["type"] == "extra_forbidden":
        place = _device_place(schema) if steps[-1] in _OF_DEVICES else None
        if place is not None:
            return f"unknown key `{name}`; here the device stands in `{place}`"
        allowed = _keys_at(steps[:-1], schema)
        guess = nearest(str(steps[-1]), allowed)
        hint = f"did you mean `{guess}`?" if guess else f"allowed are {', '.join(allowed)}"
        return f"unknown key `{name}`; {hint}"
    if first["type"] == "missing":
        return f"`{name}` is missing; see `shiftgauge schema` or `shiftgauge init` for an example"
    if first["type"] == "value_error":
        return f"`{name}`: {first['ctx']['error']}" if name else str(first["ctx"]["error"])
    wanted = " or ".join(dict.fromkeys(_wanted(item) for item in items))
    hint = ""
    if isinstance(first["input"], str):
        guess = nearest(first["input"], _choices(items))
        hint = f"; did you mean `{guess}`?" if guess else ""
    elif first["type"] == "string_type" and isinstance(first["input"], (int, float, bool)):
        hint = "; put it in quotes"
    return f"`{name}` must be {wanted}, got {_shown(first['input'])}{hint}"


_OF_DEVICES = ("execution", "device")
"""Keys that say where a model runs: `execution.device` of an audit, else the section named after the command."""

_WANTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "finite_number": "a finite number",
}


def _wanted(item: Mapping[str, Any]) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "greater_than":
            return f"> {context['gt']:g}"
        case "greater_than_equal":
            return f"≥ {context['ge']:g}"
        case "less_than":
            return f"< {context['lt']:g}"
        case "less_than_equal":
            return f"≤ {context['le']:g}"
        case "literal_error":
            return "one of " + context["expected"] if "," in context["expected"] else context["expected"]
        case "too_short":
            return f"a list of at least {context['min_length']}"
        case "too_long":
            return f"a list of at most {context['max_length']}"
        case kind:
            return _WANTED.get(kind, item["msg"][:1].lower() + item["msg"][1:])


def _choices(items: list[Mapping[str, Any]]) -> list[str]:
    expected = " ".join(str(i.get("ctx", {}).get("expected", "")) for i in items)
    return [part.strip(" '") for part in expected.replace(" or ", ",").split(",") if part.strip(" '")]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _steps(item: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The path of a problem without the names pydantic adds for the members of a union."""
    here: Any = values
    steps: list[str | int] = []
    for i, step in enumerate(item["loc"]):
        if _has(here, step):
            steps.append(step)
            here = here[step]
        elif item["type"] == "missing" and i == len(item["loc"]) - 1:
            steps.append(step)
    return tuple(steps)


def _has(values: Any, step: str | int) -> bool:
    if isinstance(values, list):
        return isinstance(step, int) and step < len(values)
    return isinstance(values, Mapping) and step in values


def value_at(values: Any, steps: Steps) -> Any:
    """What lies at a path of keys and numbers, None where there is nothing."""
    for step in steps:
        if not _has(values, step):
            return None
        values = values[step]
    return values


def _keys_at(steps: Sequence[str | int], schema: type[BaseModel]) -> list[str]:
    """The keys that the schema allows below a path."""
    section, named = schema, False
    for step in steps:
        if named or isinstance(step, int):
            named = False  # a name that the user chose, or a place in a list
            continue
        annotation = section.model_fields[step].annotation
        named, section = get_origin(annotation) is dict, _section_in(annotation)
    return list(section.model_fields)


def _device_place(schema: type[BaseModel]) -> str | None:
    """Where a configuration of this kind says on what its models run; None where it does not say."""
    for name, field in schema.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and "device" in kind.model_fields:
            return f"{name}.device"
    return None


def _section_in(annotation: Any) -> type[BaseModel]:
    """The section that a field holds: alone, or among alternatives, in a list, or under names."""
    while not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        annotation = next(a for a in get_args(annotation) if a not in (type(None), str))
    return annotation
