"""Options of a look inside that do not go together are refused."""

import pytest

from explain_runs import options
from shiftgauge.errors import ConfigError
from shiftgauge.explain.pixel_bounds import PixelBoundOptions


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"per_class": 0}, "per_class"),
        ({"per_class": 3, "counted_per_class": 2}, "counted_per_class"),
        ({"walk_per_class": 2}, "walk_per_class"),
        ({"methods": ("saliency", "saliency")}, "twice"),
        ({"methods": ("gradcam",)}, "grad_cam"),
        ({"maximize": None}, "units"),
        (
            {
                "maps": None,
                "methods": (),
                "maximize": None,
                "walk": None,
                "units": (),
                "bounds": None,
                "masks": None,
                "derivatives": None,
            },
            "every part",
        ),
        ({"masks_per_class": 2}, "masks_per_class"),
        ({"start": "middle"}, "start"),
        ({"start_image": "7"}, "start_image"),
        ({"bounds": PixelBoundOptions(over="images")}, "over"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        options(**changed)
