import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.designs import PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.rough.points import ResidualPoints
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

SPACE = Space(
    [
        Parameter(name="speed", distribution="lognormal", options={"median": 3.0, "sigma": 1.2}),
        Parameter(name="teeth", distribution="choice", options={"values": [1, 2, 5]}),
    ]
)


def points_of(n_images, features=None, repeat=True):
    inputs = Inputs(space=SPACE, n_images=n_images, repeat=repeat)
    bases = input_bases(inputs, features, 40)
    points = ResidualPoints(inputs=inputs, bases=bases, with_features=features is not None)
    unit = PlainDesign(inputs=inputs, n=4096).rows(0, 4096).unit
    return points, points.matrix(inputs.coordinates(unit)), inputs.coordinates(unit)


def test_parameters_have_mean_0_and_variance_1_whatever_the_marginal():
    points, matrix, _ = points_of(0)
    assert matrix.shape == (4096, points.n_metric) == (4096, 2)
    assert np.allclose(matrix.mean(axis=0), 0, atol=0.02)
    assert np.allclose(matrix.std(axis=0), 1, atol=0.02)


@pytest.mark.parametrize(("n_images", "columns", "categorical"), [(12, 3, (0,)), (255, 3, (0,)), (256, 2, ())])
def test_image_is_a_category_while_there_are_few(n_images, columns, categorical):
    points, matrix, coordinates = points_of(n_images)
    assert matrix.shape[1] == columns
    assert points.categorical == categorical
    if categorical:
        assert np.array_equal(matrix[:, 0], coordinates[:, 0])


def test_given_features_of_the_image_are_columns():
    features = np.random.default_rng(0).normal(size=(300, 2))
    _, matrix, coordinates = points_of(300, features)
    assert matrix.shape[1] == 4
    image = coordinates[:, 0].astype(int)
    shown = np.linalg.lstsq(np.column_stack([np.ones(4096), matrix[:, :2]]), features[image], rcond=None)[1]
    assert (shown < 1e-15 * 4096).all()


def test_noise_is_no_column():
    assert points_of(12, repeat=True)[1].shape == points_of(12, repeat=False)[1].shape
