"""One look inside with every part, for all tests of what it holds."""

import pytest

import attack_runs
from explain_runs import classifier, look, options


@pytest.fixture(scope="session")
def explained(tmp_path_factory):
    """Run folder and result."""
    folder = tmp_path_factory.mktemp("explain") / "run"
    return folder, look(folder, options(), compare={"another": classifier(seed=1)})


@pytest.fixture(scope="session")
def attacked(tmp_path_factory):
    """Run folder and result of attacks on two networks, with every part."""
    folder = tmp_path_factory.mktemp("attack") / "run"
    return folder, attack_runs.run(folder)
