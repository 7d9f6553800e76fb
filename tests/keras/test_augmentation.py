"""What is done to train images, against NumPy, SciPy and TensorFlow; and that it follows from seed, epoch and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from dlrun.batches import augmentation_of
from dlrun.data.features.augment import Augment
from dlrun.experiment import Experiment
from dlrun.training import augmentation
from dlrun.training.augmentation import DRAWS, EXAMPLE, Augmentation, Augmented, placement, warp
from dlrun.training.order import COPY

SHAPE = (9, 12, 3)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((6, *SHAPE), dtype=np.float32)
ROWS = np.array([4, 0, 17, 300, 2, 9], np.int32)
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def made(black: Any = BLACK, white: Any = WHITE, seed: int = 1, **fields: Any) -> Augmentation:
    augment = Augment.parse(fields)
    return Augmentation((Augmented("image", augment, black, white),), seed)


def run(augment: Augmentation, images: np.ndarray = IMAGES, rows: np.ndarray = ROWS, epoch: int = 1) -> np.ndarray:
    augment.begin(epoch)
    x, _ = augment(({"image": tf.constant(images), EXAMPLE: tf.constant(rows)}, tf.constant(0)))
    assert list(x) == ["image"]
    return np.asarray(x["image"])


def draws(**values: float) -> dict[str, Any]:
    """Draws that change nothing, but for those that are given."""
    return {name: tf.fill([len(IMAGES)], values.get(name, 0.5)) for name in DRAWS}


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", [2]), ("vertical", [1]), ("both", [1, 2])])
def test_mirrored_images_are_the_images_mirrored(flip: str, axes: list[int]) -> None:
    images = RANDOM.random((200, *SHAPE), dtype=np.float32)
    received = run(made(flip=flip), images, np.arange(200, dtype=np.int32))
    ways = [()] + [(axis,) for axis in axes] + ([(1, 2)] if len(axes) == 2 else [])
    counts = dict.fromkeys(ways, 0)
    for image, got in zip(images, received, strict=True):
        [way] = [way for way in ways if np.array_equal(np.flip(image, [axis - 1 for axis in way]), got)]
        counts[way] += 1
    assert min(counts.values()) > 200 / len(ways) * 0.6
    moved = run(made(flip=flip, shift=1e-9), images, np.arange(200, dtype=np.int32))
    np.testing.assert_allclose(moved, received, atol=1e-5)


@pytest.mark.parametrize(("fill", "mode"), [("reflect", "reflect"), ("edge", "nearest"), ("black", "grid-constant")])
@pytest.mark.parametrize("mirror", [False, True])
def test_images_that_move_are_what_scipy_makes_of_them(fill: Any, mode: str, mirror: bool) -> None:
    augment = Augment.parse(
        {"rotation": 60, "zoom": 0.4, "shift": 0.5, "crop": 0.5, "flip": "horizontal" if mirror else None}
    )
    drawn = draws(angle=0.8, zoom=0.9, shift_y=0.2, shift_x=0.75, crop=0.3, crop_y=0.9, crop_x=0.1, flip_x=0.2)
    matrix, offset = placement(augment, drawn, SHAPE[0], SHAPE[1])
    black = tf.constant([0.1, 0.2, 0.3])
    received = np.asarray(warp(tf.constant(IMAGES), matrix, offset, fill, black))

    angle, zoom, window = np.deg2rad(60 * 0.6), 0.6 + 0.8 * 0.9, 0.5 + 0.5 * 0.3
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / zoom
    sides = np.array(SHAPE[:2])
    place = sides * ((1 - window) * np.array([0.4, -0.4]) - np.array([-0.3, 0.25]))
    signs = np.diag([1.0, -1.0 if mirror else 1.0])
    matrix, offset = signs @ turn * window, signs @ turn @ place
    middle = (sides - 1) / 2
    for image, got in zip(IMAGES, received, strict=True):
        for channel, value in enumerate(np.asarray(black)):
            expected = ndimage.affine_transform(
                image[..., channel].astype(np.float64), matrix, middle + offset - matrix @ middle,
                order=1, mode=mode, cval=value,
            )  # fmt: skip
            np.testing.assert_allclose(got[..., channel], expected, atol=2e-5)


def test_directions() -> None:
    """To the right and down are positive; a positive angle turns against the clock; a window is cut out."""
    dot = np.zeros((6, 11, 11, 1), np.float32)
    dot[:, 3, 7] = 1

    def peak(augment: dict[str, Any], **drawn: float) -> tuple[int, int]:
        matrix, offset = placement(Augment.parse(augment), draws(**drawn), 11, 11)
        found = np.asarray(warp(tf.constant(dot), matrix, offset, "black", tf.zeros(1)))[0, :, :, 0]
        place = np.unravel_index(found.argmax(), found.shape)
        return int(place[0]), int(place[1])

    assert peak({"shift": 2 / 11}, shift_x=1.0) == (3, 9)
    assert peak({"shift": 2 / 11}, shift_y=1.0) == (5, 7)
    assert peak({"rotation": 90}, angle=1.0) == (3, 3)  # up right to up left
    assert peak({"rotation": 180}, angle=1.0) == (7, 3)
    assert peak({"zoom": 0.5}, zoom=1.0) == (2, 8)
    assert peak({"crop": 0.5}, crop=0.0, crop_y=0.0, crop_x=1.0) in {(6, 3), (7, 3)}


def test_brightness_and_contrast() -> None:
    black, white = (-1.0, 0.0, -2.0), (1.0, 1.0, 6.0)
    low, high = np.array(black), np.array(white)
    images = (low + IMAGES * (high - low)).astype(np.float32)
    received = run(made(black, white, brightness=0.3), images)
    added = ((received - images) / (high - low))[(received > low + 1e-4) & (received < high - 1e-4)]
    assert -0.3 <= added.min() < 0 < added.max() <= 0.3
    for image, got in zip(images, received, strict=True):
        inside = (got > low + 1e-4) & (got < high - 1e-4)
        assert np.ptp(((got - image) / (high - low))[inside]) < 1e-5
        assert (got <= high + 1e-6).all()
    received = run(made((-9.0,) * 3, (9.0,) * 3, contrast=0.5))
    for image, got in zip(IMAGES, received, strict=True):
        factor = float((got - got.mean((0, 1))).std() / (image - image.mean((0, 1))).std())
        assert 0.5 <= factor <= 1.5
        np.testing.assert_allclose(got, tf.image.adjust_contrast(image, factor), atol=1e-5)


def test_noise_is_a_share_of_the_range_from_black_to_white() -> None:
    grey, wide = np.full((6, *SHAPE), 0.5, np.float32), np.full((6, *SHAPE), 127.5, np.float32)
    usual = run(made(noise=0.1), grey)
    received = run(made(noise=0.1, white=(255.0, 255.0, 255.0)), wide)
    np.testing.assert_allclose(received, usual * 255, rtol=1e-4)


def test_two_pictures_of_a_row_are_changed_each_in_its_own_way() -> None:
    augment = Augment.parse({"brightness": 0.4})
    both = Augmentation(tuple(Augmented(name, augment, BLACK, WHITE) for name in ("front", "back")), 1)
    both.begin(1)
    grey = tf.fill([6, *SHAPE], 0.5)
    x, _ = both(({"front": grey, "back": grey, EXAMPLE: tf.constant(ROWS)}, tf.constant(0)))
    assert (np.abs(np.asarray(x["front"]) - np.asarray(x["back"])).max(axis=(1, 2, 3)) > 1e-4).all()


def test_noise_is_normal_and_its_own_for_each_pixel() -> None:
    images = np.full((20, 16, 16, 3), 0.5, np.float32)
    received = run(made(noise=0.1), images, np.arange(20, dtype=np.int32)) - 0.5
    assert received.std() == pytest.approx(0.1, rel=0.03)
    assert abs(received.mean()) < 0.003
    assert np.mean(np.abs(received) < 0.1) == pytest.approx(0.683, abs=0.01)
    flat = received.reshape(20, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(20)).max() < 0.2
    assert len(np.unique(flat)) > 0.99 * flat.size


def test_cutout() -> None:
    received = run(made(cutout=0.5))
    for image, got in zip(IMAGES, received, strict=True):
        changed = (np.abs(got - image) > 1e-6).any(-1)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 2 <= len(rows) <= 5
        assert 3 <= len(columns) <= 6
        np.testing.assert_allclose(got[changed], np.broadcast_to(image.mean((0, 1)), got[changed].shape), atol=1e-5)


EVERYTHING = {
    "flip": "both", "rotation": 30, "zoom": 0.2, "shift": 0.1, "crop": 0.8, "contrast": 0.2, "brightness": 0.2,
    "noise": 0.05, "cutout": 0.3,
}  # fmt: skip


def test_what_is_drawn_follows_from_seed_epoch_and_row_alone() -> None:
    augment = made(**EVERYTHING)
    received = run(augment)
    order = np.array([5, 2, 0])
    np.testing.assert_array_equal(run(augment, IMAGES[order], ROWS[order]), received[order])
    np.testing.assert_array_equal(run(made(**EVERYTHING)), received)
    for other in (run(augment, epoch=2), run(made(seed=2, **EVERYTHING)), run(augment, rows=ROWS + 1)):
        assert (np.abs(other - received) > 1e-3).any((1, 2, 3)).all()


def test_copies_of_an_image_are_changed_each_in_its_own_way() -> None:
    augment = Augmentation((Augmented("image", Augment.parse(EVERYTHING), BLACK, WHITE),), 1, copies=True)
    augment.begin(1)

    def take(rows: Any) -> Any:
        return {"image": tf.gather(IMAGES, rows), EXAMPLE: tf.gather(ROWS, rows)}, tf.constant(0)

    places = np.array([3, 0, 3, 3], np.int32)
    x, _ = augment.of(take, tf.constant(places + COPY * np.array([0, 0, 1, 63], np.int32)))
    received = np.asarray(x["image"])
    np.testing.assert_array_equal(received[:2], run(made(**EVERYTHING))[[3, 0]], "the first ones are as they were")
    for one, other in ((0, 2), (0, 3), (2, 3)):
        assert (np.abs(received[one] - received[other]) > 1e-3).any()


def test_copies_that_oversampling_makes_are_told_apart(tmp_path: Path) -> None:
    augment = {"kind": "image", "rescale": [0, 1], "augment": {"rotation": 40, "noise": 0.2}}
    tree = {
        "data": {"source": {"kind": "bundled", "name": "digits"}, "features": {"image": augment}},
        "architecture": {"kind": "cnn", "blocks": [{"filters": 2}]},
        "training": {"oversample": "balanced"},
    }
    experiment = Experiment.parse(tree)
    dataset = experiment.load(tmp_path)
    found = augmentation_of(experiment, dataset.preparation)
    assert found is not None
    found.begin(1)
    x, _ = found.of(
        lambda rows: ({"image": tf.gather(dataset.train.inputs["image"], rows), EXAMPLE: rows}, tf.constant(0)),
        tf.constant(np.array([3, 3, 3], np.int32) + COPY * np.array([0, 1, 2], np.int32)),
    )
    one, two, three = np.asarray(x["image"])
    assert min(np.abs(one - two).max(), np.abs(one - three).max(), np.abs(two - three).max()) > 1e-2


@pytest.mark.parametrize("xla", [False, True])
def test_it_is_the_same_in_a_graph(xla: bool) -> None:
    augment = made(**EVERYTHING)
    augment.begin(3)

    @tf.function(jit_compile=xla, autograph=False)
    def graph(images: Any, rows: Any) -> Any:
        return augment(({"image": images, EXAMPLE: rows}, tf.constant(0)))[0]["image"]

    received = graph(tf.constant(IMAGES), tf.constant(ROWS))
    np.testing.assert_allclose(received, run(augment, epoch=3), atol=2e-5)


def test_a_reconstruction_gives_what_it_was_shown() -> None:
    augment = made(flip="horizontal")
    augment.begin(1)
    images = tf.constant(IMAGES)
    x, y = augment(({"image": images, EXAMPLE: tf.constant(ROWS)}, images))
    assert y is x["image"]
    assert augmentation.EXAMPLE not in x
