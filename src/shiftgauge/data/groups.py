"""Groups of images from their paths, where no table states them."""

import re
from collections.abc import Sequence

from shiftgauge.errors import DataError


def groups_by_pattern(names: Sequence[str], pattern: str | None) -> tuple[str, ...] | None:
    r"""Returns the group of each image: what the first parentheses of a regular expression match in its path.

    The expression may match anywhere in the path, which has forward slashes on every system; `^` and `$` bind it.

    Args:
        names: Paths of the images below the folder.
        pattern: A regular expression with parentheses, or None for no groups.

    Raises:
        DataError: It is no regular expression, has no parentheses, or gives no group for an image, which is named.

    Example:
        >>> groups_by_pattern(["good/part7_a.png", "crack/part7_b.png", "good/part12.png"], r"part(\d+)")
        ('7', '7', '12')
    """
    if pattern is None:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DataError(f"`group_pattern` is no regular expression: {error} in `{pattern}`") from error
    if expression.groups == 0:
        raise DataError(f"`group_pattern` `{pattern}` needs parentheses around what names the group, as in part_(\\d+)")
    found = [expression.search(name) for name in names]
    groups = [match[1] if match and match[1] else "" for match in found]
    missing = [name for name, group in zip(names, groups, strict=True) if not group]
    if missing:
        raise DataError(
            f"`group_pattern` `{pattern}` gives no group for {len(missing)} of {len(names)} images, "
            f"the first is `{missing[0]}`"
        )
    return tuple(groups)
