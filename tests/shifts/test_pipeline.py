import torch

from shiftgauge.shifts.pipeline import ShiftPipeline


def test_identity_rows_return_bit_identical_images():
    images = torch.rand(3, 3, 20, 24)
    pipeline = ShiftPipeline(["brightness", "rotation", "tilt"], order=["brightness", "rotation", "tilt"])
    theta = torch.tensor([[1.0, 0, 0], [0.5, 30, 5], [1.0, 0, 0]])
    shifted = pipeline(images, theta, torch.zeros(3, dtype=torch.int64))
    assert torch.equal(shifted[[0, 2]], images[[0, 2]])
    assert not torch.equal(shifted[1], images[1])
