"""What `shiftgauge.train` adds to the plain training: that it acts, is written down, and is held to in a folder."""

import numpy as np
import pytest
import torch

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, InterruptedRunError, ModelError
from shiftgauge.models.model_folder import load_model_folder, read_model_record
from shiftgauge.models.parseval import ParsevalOptions
from shiftgauge.models.parseval_projection import parseval_projection
from shiftgauge.studies import train as study
from shiftgauge.train.objectives import Perturb
from train.toy import options as toy_options
from train.toy import run as toy_run
from train.toy import same, stripes

NETWORK = {"architecture": "test_resnet", "size": 16}
PARTS = {"near_duplicates": False}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def data(multi=False):
    part = stripes(60)
    pixels, classes = part.pixels.bytes_nchw[:, 0].numpy(), part.targets.numpy()
    if multi:
        return from_arrays(pixels, np.eye(3, dtype=int)[classes], ["a", "b", "c"])
    return from_arrays(pixels, [f"class {c}" for c in classes])


def run(out, of=None, **more):
    options = {"epochs": 1, "precision": "float32", "sampling": {"batch_size": 16}, **more.pop("options", {})}
    values = {"split": PARTS, "device": "cpu", "progress": False, "resamples": 100, **more}
    return shiftgauge.train(NETWORK, of or data(), out=out, options=options, **values)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain"))


def weights(result):
    return load_model_folder(result.model_folder, "cpu").module.state_dict()


def differ(a, b):
    return any(not torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))


def codes(result):
    return {message.code for message in result.messages}


def test_all_of_it_at_once_is_trained_written_down_and_told(plain, tmp_path):
    chosen = {
        "adversarial": {"method": "trades", "epsilon": 0.02, "steps": 2},
        "constraint": {"kind": "parseval", "beta": 0.01},
        "enlarge": {"kind": "fgsm", "epsilon": 0.01, "share": 0.5, "source": str(plain.model_folder)},
    }
    result = run(tmp_path, **chosen)
    record, training = result.config, read_model_record(result.model_folder).training
    assert record["adversarial"]["beta"] == training["adversarial"]["beta"] == 6.0
    assert record["constraint"]["kind"] == "parseval"
    assert "conv1.0" in training["constraint"]["constrained"]
    assert training["enlarge"]["n_copies"] == round(0.5 * int(result.arrays["split_images"].values[0]))
    assert training["enlarge"]["source"] == load_model_folder(plain.model_folder, "cpu").fingerprint
    assert {"added", "not_attacked", "needs_control"} <= codes(result)
    assert "source_knows_test" not in codes(result)
    assert differ(result, plain)
    assert not codes(plain) & {"added", "not_attacked"}
    assert "adversarial" not in plain.config
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "TRADES with β 6.0" in page


def test_kernels_that_are_retracted_lie_nearer_to_tight_frames(plain, tmp_path):
    tight = run(tmp_path, constraint={"beta": 0.05, "passes": 60})

    def far(result):
        kernels = [w.flatten(1) for name, w in weights(result).items() if w.ndim == 4]
        spectra = [torch.linalg.svdvals(k) for k in kernels]
        return max(float((s - 1).abs().max()) for s in spectra)

    assert far(tight) < 0.05 < far(plain)


def test_a_retraction_of_drawn_rows_goes_on_bit_for_bit(tmp_path):
    """A training that was stopped in its second epoch, beside one that was not."""
    options = ParsevalOptions(beta=0.05, row_share=0.5)
    more = {"chosen": toy_options(epochs=3, monitor="last"), "progress": False}

    def stop(net):
        seen.append(1)
        if len(seen) == 9:
            raise KeyboardInterrupt
        project(net)

    seen, project = [], parseval_projection(options)
    with pytest.raises(InterruptedRunError):
        toy_run(tmp_path / "a", after_step=stop, **more)
    resumed, _ = toy_run(tmp_path / "a", after_step=parseval_projection(options), **more)
    whole, _ = toy_run(tmp_path / "b", after_step=parseval_projection(options), **more)
    assert same(resumed, whole)
    assert not same(whole, toy_run(tmp_path / "c", **more)[0])


def test_noisy_and_clean_copies_make_as_many_steps_on_the_same_originals(tmp_path, monkeypatch):
    seen, fit = [], study.fit

    def counted(network, train, *arguments, **more):
        seen.append((len(train), train.names, train.targets.tolist()))
        return fit(network, train, *arguments, **more)

    monkeypatch.setattr(study, "fit", counted)
    kinds = ({"kind": "uniform_noise", "epsilon": 0.01, "unit": "input"}, {"kind": "clean"})
    noisy, clean = (run(tmp_path / str(k), enlarge={**kind, "share": 0.5}) for k, kind in enumerate(kinds))
    assert seen[0] == seen[1]
    assert seen[0][0] == 36 + 18
    assert differ(noisy, clean)
    assert "needs_control" in codes(noisy)
    assert "needs_control" not in codes(clean)


def test_as_many_steps_are_made_without_copies(tmp_path):
    results = [run(tmp_path / kind, enlarge={"kind": kind, "share": 0.5}) for kind in ("clean", "steps")]
    sampling = [result.config["resolved"]["sampling"]["batches_per_epoch"] for result in results]
    assert sampling == [None, -(-54 // 16)]
    tracked = [max(int(v) for n, v in weights(r).items() if n.endswith("num_batches_tracked")) for r in results]
    assert tracked == [4, 4]
    assert differ(*results)


def test_noise_of_a_ratio_has_that_ratio(tmp_path, monkeypatch):
    kept, fit = [], study.fit

    def keep(network, train, *arguments, **more):
        kept.append(train.pixels.batch(range(len(train))))
        return fit(network, train, *arguments, **more)

    monkeypatch.setattr(study, "fit", keep)
    for k, kind in enumerate(("uniform_noise", "gaussian_noise")):
        run(tmp_path / str(k), enlarge={"kind": kind, "snr_db": 40.0, "clip": False})
        original, copy = kept[k][:36], kept[k][36:]
        ratio = 20 * torch.log10(original.flatten(1).norm(dim=1) / (copy - original).flatten(1).norm(dim=1))
        assert torch.allclose(ratio, torch.full((36,), 40.0), atol=0.01)


def test_several_labels_are_pushed_too_and_their_adversarial_copies_refused(tmp_path):
    result = run(tmp_path / "a", data(multi=True), adversarial={"method": "fast", "epsilon": 0.03})
    assert {"added", "one_step"} <= codes(result)
    with pytest.raises(ConfigError, match="adversarial copies need one class an image; for several labels take noise"):
        run(tmp_path / "b", data(multi=True), enlarge={"kind": "fgsm", "epsilon": 0.1, "source": "x"})


def test_a_moving_average_of_retracted_kernels_is_warned_of(tmp_path):
    result = run(tmp_path, constraint={"beta": 0.01}, options={"ema_decay": 0.9})
    assert "averaged_constraint" in codes(result)


def test_a_source_that_was_trained_on_the_test_part_is_told_of(tmp_path):
    other = run(
        tmp_path / "a", split={**PARTS, "parts": {"train": 0.4, "validation": 0.3, "test": 0.3}}, options={"seed": 3}
    )
    result = run(tmp_path / "b", enlarge={"kind": "fgsm", "epsilon": 0.01, "source": str(other.model_folder)})
    assert "source_knows_test" in codes(result)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"adversarial": {"epsilon": 0.01, "steps": 1}}, {"adversarial": {"epsilon": 0.02, "steps": 1}}, "epsilon"),
        ({"constraint": {"beta": 0.01}}, {}, r"`constraint` is .* there and not set here"),
        ({"enlarge": {"kind": "clean"}}, {"enlarge": {"kind": "clean", "share": 0.5}}, "share"),
    ],
)
def test_a_folder_holds_a_training_to_what_it_added(tmp_path, before, after, said):
    run(tmp_path, **before)
    with pytest.raises(ConfigError, match=said):
        run(tmp_path, **after)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        (
            {"adversarial": {"epsilon": 0.1, "step": 3}},
            ConfigError,
            "unknown key of `adversarial` `step`; did you mean",
        ),
        ({"adversarial": {"method": "pgd"}}, ConfigError, "`adversarial` lacks `epsilon`"),
        ({"adversarial": 0.1}, ConfigError, "`adversarial` must be AdversarialOptions or a mapping"),
        (
            {"constraint": {"exclude": ["conv9"]}},
            ConfigError,
            "unknown part in `exclude` `conv9`; did you mean",
        ),
        ({"constraint": {"beta": 0.5}}, ConfigError, r"sure to draw to 1 only what lies below 1\.73; lower"),
        ({"enlarge": {"kind": "fgsm", "epsilon": 0.1, "source": "nowhere"}}, ModelError, "nowhere"),
    ],
)
def test_what_does_not_go_with_the_training_is_said_before_images_are_divided(
    tmp_path, monkeypatch, more, error, message
):
    monkeypatch.setattr(study, "divide", None)
    with pytest.raises(error, match=message):
        run(tmp_path, **more)


def test_one_change_of_batches_is_enough(tmp_path):
    own: Perturb = lambda logits, images, targets, epoch, step: images  # noqa: E731
    with pytest.raises(ConfigError, match="`adversarial` and `perturb` both change the images of a batch"):
        run(tmp_path, adversarial={"epsilon": 0.1}, perturb=own)
