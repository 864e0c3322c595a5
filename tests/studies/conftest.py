"""One look inside with every part, for all tests of what it holds."""

import pytest

from explain_runs import classifier, look, options


@pytest.fixture(scope="session")
def explained(tmp_path_factory):
    """Run folder and result."""
    folder = tmp_path_factory.mktemp("explain") / "run"
    return folder, look(folder, options(), compare={"another": classifier(seed=1)})
