"""Masked pixels are replaced by what surrounds them; no other pixel changes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from engine.inpaint import calmed, toned
from engine.types import Image
from tests.perception import backend, inpainter


def wall(height: int = 300, width: int = 420) -> Image:
    """A smooth wall: grey from left to right, a little warmer at the top."""
    x, y = np.meshgrid(np.linspace(90, 170, width), np.linspace(15, 0, height))
    return np.stack([x + y, x, x - y], axis=2).astype(np.uint8)


def test_what_was_planted_vanishes_and_the_rest_stays() -> None:
    clean = wall()
    image, mask = clean.copy(), np.zeros(clean.shape[:2], bool)
    image[110:190, 160:240] = (255, 0, 0)
    mask[104:196, 154:246] = True
    filled = inpainter().fill(image, mask)
    assert np.array_equal(filled[~mask], image[~mask])
    before = np.abs(image[mask].astype(int) - clean[mask]).mean()
    after = np.abs(filled[mask].astype(int) - clean[mask]).mean()
    assert after < 0.15 * before
    assert filled.dtype == np.uint8
    assert filled.shape == image.shape


def test_the_hidden_pixels_do_not_matter() -> None:
    mask = np.zeros((300, 420), bool)
    mask[100:200, 150:250] = True
    red, blue = wall(), wall()
    red[110:190, 160:240], blue[110:190, 160:240] = (255, 0, 0), (0, 0, 255)
    inside = (slice(115, 185), slice(165, 235))
    assert np.array_equal(inpainter().fill(red, mask)[inside], inpainter().fill(blue, mask)[inside])


def test_an_empty_mask_gives_an_equal_copy() -> None:
    image = wall()
    filled = inpainter().fill(image, np.zeros(image.shape[:2], bool))
    assert np.array_equal(filled, image)
    assert filled is not image


def test_filling_repeats_itself_and_leaves_its_input() -> None:
    image, mask = wall(700, 600), np.zeros((700, 600), bool)
    mask[200:700, 250:350] = True  # runs off the picture
    kept = image.copy()
    first = inpainter().fill(image, mask)
    assert np.array_equal(first, inpainter().fill(image, mask))
    assert np.array_equal(image, kept)
    assert np.array_equal(first[~mask], image[~mask])


def test_fillings_are_no_livelier_than_what_is_around() -> None:
    """Between people the network invents patterns, which would flicker along the edges of heads."""
    noise = np.random.default_rng(1).uniform(-1, 1, (512, 512, 3)).astype(np.float32)
    covered = np.zeros((512, 512), np.uint8)
    covered[150:350, 180:330] = 1
    inside = (slice(190, 310), slice(220, 290))
    for around, within in ((0.02, 0.4), (0.4, 0.02)):
        picture = 0.5 + around * noise
        filled = np.where(covered[..., None] > 0, 0.5 + within * noise, picture).astype(np.float32)
        quieter = calmed(filled, picture, covered)
        np.testing.assert_allclose(quieter[:100], picture[:100], atol=1e-5)
        assert quieter[inside].std() == pytest.approx(0.577 * min(around, within), rel=0.25)


def test_fillings_keep_to_the_colours_next_to_them() -> None:
    """Beside a blue wall the network goes on with a beige one, which a turning head would uncover."""
    covered = np.zeros((512, 512), np.uint8)
    covered[150:512, 180:330] = 1
    blue, red, beige = (np.array(colour, np.float32) for colour in ((0.1, 0.3, 0.5), (0.5, 0.1, 0.1), (0.6, 0.5, 0.4)))
    picture = np.broadcast_to(blue, (512, 512, 3)).copy()
    filled = np.where(covered[..., None] > 0, beige, picture)
    np.testing.assert_allclose(toned(filled, picture, covered), picture, atol=1e-5)

    picture[:, 256:] = red  # where two colours meet, the network says where one ends
    filled = np.where(np.arange(512)[:, None] < 240, blue, red)[None].repeat(512, 0).astype(np.float32)
    np.testing.assert_allclose(toned(filled, picture, covered)[150:170, 200:300], filled[150:170, 200:300], atol=1e-5)


def test_a_picture_that_is_covered_whole_stays_as_the_network_filled_it() -> None:
    filled = np.full((512, 512, 3), 0.4, np.float32)
    np.testing.assert_array_equal(toned(filled, np.zeros_like(filled), np.ones((512, 512), np.uint8)), filled)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="mask is"):
        inpainter().fill(wall(), np.zeros((3, 3), bool))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory is taken")
def test_the_backend_gives_the_memory_of_a_filling_back() -> None:
    mask = np.zeros((300, 420), bool)
    mask[100:200, 150:250] = True
    inpainter().fill(wall(), mask)
    before_mb = taken_mb()
    backend().rest()
    assert taken_mb() < before_mb - 100


def taken_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
