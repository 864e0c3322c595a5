"""Further networks stand beside the first, on the same images."""

import numpy as np
import torch

from explain_runs import classifier, data, places
from shiftgauge.explain.depth_profile import depth_profile
from shiftgauge.explain.perturbation import perturbation_maps


def test_another_network_stands_beside_the_first(explained):
    table = explained[1].tables["networks.csv"]
    assert table["network"].unique().tolist() == ["ConvNet", "another"]
    own, profile = table[table["network"] == "ConvNet"], explained[1].to_dataframe()
    assert np.allclose(own["relative_mean"], profile.loc[profile["pushed"] == "all", "relative_mean"])
    images = torch.from_numpy(data()[0])
    rows = places(explained[1].arrays["counted"])
    other = depth_profile(perturbation_maps(classifier(seed=1), images[rows]))
    got = table.loc[table["network"] == "another", "mean"].to_numpy()
    assert np.allclose(got, other.sensitivity.mean(axis=(0, 2)), rtol=1e-4)
    share = table.loc[table["network"] == "another", "channel_share_mean"].to_numpy()
    assert np.allclose(share, other.channel_share_of_images.mean(axis=0), rtol=1e-3)
    assert own["channel_share_low"].notna().all()
    assert "compare another" in explained[1].provenance["hashes"]
