"""Checks that a torch.export archive holds tensors and plain operators alone, before it is opened."""

import ast
import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shiftgauge.errors import ModelError
from shiftgauge.models.weights import load_pickle

_TARGET = re.compile(
    r"(torch\.ops\.(aten|prim|prims|higher_order|quantized|quantized_decomposed|mkldnn|torchvision|_quantized)"
    r"\.[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?"
    r"|_?operator\.[a-z_]+|math\.[a-z0-9_]+|torch\.sym_[a-z_]+|torch\._sym_[a-z_]+)"
)
_FORBIDDEN = ("torch.ops.aten.from_file",)
_SPEC_TYPE = re.compile(r'"type":\s*"([^"]*)"')
_SPEC_TYPES = {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}
_OBJECTS = ("custom_obj_", "opaque_obj_")
_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Name, ast.Load, ast.Constant, ast.Call,
    ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_FUNCTION = re.compile(
    r"Max|Min|Mod|Abs|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|Pow|Symbol|Integer|floor|ceiling|sqrt|exp|log"
    r"|FloorDiv|ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|LShift|RShift|PowByNatural"
    r"|FloatPow|FloatTrueDiv|IntTrueDiv|IsNonOverlappingAndDenseIndicator|TruncToFloat|TruncToInt|RoundToInt"
    r"|RoundDecimal|ToFloat|Identity|Piecewise|Add|Mul|Rational|Float|Equality|Unequality|LessThan|GreaterThan"
    r"|StrictLessThan|StrictGreaterThan"
)


def check_archive(path: str | Path) -> None:
    """Refuses a `.pt2` file that would run code when it is opened or run.

    Refused are: pickles that hold more than tensors and plain containers, pickled objects among the
    constants, symbolic sizes that are not plain arithmetic (torch evaluates them as Python), operators
    outside torch's own, and archives with two members of one name.

    Args:
        path: The file; it is read, not executed.

    Raises:
        ModelError: The file is not a zip archive, or holds something of that kind; the message says what.
    """
    file = Path(path)
    try:
        with zipfile.ZipFile(file) as archive:
            reason = next(_complaints(archive), None)
    except (zipfile.BadZipFile, OSError, RuntimeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{file} is not a readable torch.export file: {error}") from error
    if reason:
        raise ModelError(
            f"{file} can run code when opened ({reason}); export it again, or pass --trust (trust=True) "
            "if you know who made it"
        )


def _complaints(archive: zipfile.ZipFile) -> Iterator[str]:
    names = archive.namelist()
    if len({name.lower() for name in names}) != len(names):
        yield "two members have the same name"
    pickled = {name for name in names if name.endswith((".pt", ".pth", ".pkl"))}
    for name in names:
        base = name.rsplit("/", 1)[-1]
        if base.startswith(_OBJECTS):
            yield f"`{base}` is a pickled object"
        if name.endswith(".json") or base.startswith("serialized_exported_program"):
            value = json.loads(archive.read(name).decode())
            yield from _json_complaints(value)
            folder = name.rsplit("/", 1)[0]
            pickled |= {f"{folder}/{member}" for member in _pickled_payloads(value)}
    for name in sorted(pickled & set(names)):
        content = archive.read(name)
        if content and not _is_plain_pickle(content):
            yield f"`{name.rsplit('/', 1)[-1]}` holds more than tensors"


def _pickled_payloads(value: Any) -> Iterator[str]:
    config = value.get("config") if isinstance(value, dict) else None
    for entry in config.values() if isinstance(config, dict) else ():
        if isinstance(entry, dict) and entry.get("use_pickle"):
            yield str(entry.get("path_name"))


def _is_plain_pickle(content: bytes) -> bool:
    try:
        load_pickle(io.BytesIO(content))
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
    ):
        return False
    return True


def _json_complaints(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _json_complaints(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("expr_str", "as_expr") and isinstance(item, str) and not _is_arithmetic(item):
                yield f"size `{item[:40]}` is not arithmetic"
            elif key == "target" and isinstance(item, str) and "inputs" in value and not _TARGET.fullmatch(item):
                yield f"operator `{item[:60]}` is not one of torch's"
            elif key == "target" and isinstance(item, str) and item.startswith(_FORBIDDEN):
                yield f"operator `{item[:60]}` opens files"
            elif key in ("in_spec", "out_spec") and isinstance(item, str) and not _is_plain_spec(item):
                yield f"{key} names a type that is not a plain container"
            elif key == "guards_code":
                bad = [g for g in item or () if not _is_guard(str(g))]
                if bad:
                    yield f"guard `{bad[0][:40]}` is not arithmetic"
            else:
                yield from _json_complaints(item)


def _is_arithmetic(text: str) -> bool:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            return False
        if isinstance(node, ast.Constant) and not _is_plain_constant(node.value):
            return False
        if isinstance(node, ast.Name) and node.id.startswith("__"):
            return False
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and _FUNCTION.fullmatch(node.func.id)):
            return False
    return True


def _is_plain_constant(value: object) -> bool:
    """Numbers, truth values, and the texts within `Symbol('s0', positive=True)` or `Float('1.5')`."""
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and bool(re.fullmatch(r"[\w.]*", value)))


def _is_plain_spec(text: str) -> bool:
    return set(_SPEC_TYPE.findall(text)) <= _SPEC_TYPES and "default_factory" not in text


def _is_guard(text: str) -> bool:
    """Guards read sizes of inputs, as `L['x'].size()[0] <= 8`; such reads count as names."""
    return _is_arithmetic(re.sub(r"L(\['[\w.]+'\]|\[\d+\])+(\.(size|stride)\(\))?(\[\d+\])*", "x", text))
