"""The mouth network's promises, and that its training can stop and go on. Needs torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.renderer import corpus, frame, train_mouth  # noqa: E402  (only worth importing where torch is there)
from export.renderer.augment import augmented_batch, plain_batch  # noqa: E402
from export.renderer.network import MouthNet, StylesSeen, finished, flop_per_frame  # noqa: E402
from export.renderer.trainer import Trainer  # noqa: E402

MOST_FLOP = 1.5e9
HEIGHT, WIDTH = frame.STORED_HEIGHT, frame.STORED_WIDTH


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def planted_file(path: Path, split: str = "train") -> Path:
    """Six photos of noise with an oval mouth, of three people; the last person is held out."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    oval = ((x - WIDTH / 2) / 40) ** 2 + ((y - 45) / 10) ** 2 < 1
    layer = np.zeros((6, HEIGHT, WIDTH, 5), np.uint8)
    layer[:, 20:45, 50:130] = [200, 190, 180, 255, 255]
    np.savez(
        path,
        photo=corpus.packed(rng.integers(60, 200, (6, HEIGHT, WIDTH, 3), dtype=np.uint8)),
        inside=np.repeat(255 * oval[None].astype(np.uint8), 6, 0),
        upper=layer,
        lower=np.roll(layer, 20, 1),
        dark=np.full((6, 3), 20, np.uint8),
        agreement=np.full(6, 0.8, np.float32),
        group=np.array(["officials", "faker", "faker", "pif", "pif", "pif"]),
        person=np.array(["a", "a", "b", "b", "c", "c"]),
        held_out=np.array([False] * 4 + [True] * 2),
        split=np.array(split),
    )
    return path


def trainer(path: Path, batch: int = 2) -> Trainer:
    return Trainer(corpus.Pairs.read(path), None, batch=batch, seed=4, device=torch.device("cpu"))


def test_a_frame_costs_no_more_than_its_bound() -> None:
    assert 0.1e9 < flop_per_frame() <= MOST_FLOP


def test_nothing_changes_where_no_inside_shows(tmp_path: Path) -> None:
    pairs = corpus.Pairs.read(planted_file(tmp_path / "pairs.npz"))
    batch = plain_batch({name: layer[:2] for name, layer in pairs.layers.items()})
    network = MouthNet()
    torch.nn.init.normal_(network.leave.weight)
    found = network(batch.crop, torch.randn(2, frame.STYLE_SIZE))
    inside = batch.crop[:, frame.INSIDE]
    assert (found[:, 3:][torch.nn.functional.max_pool2d(inside, 3, 1, 1) == 0] == 0).all()
    outside = (inside == 0).expand(-1, 3, -1, -1)
    assert torch.equal(finished(batch.crop, found)[outside], batch.crop[:, frame.SHOWN][outside])


def test_photos_survive_being_packed() -> None:
    photos = np.random.default_rng(0).integers(0, 256, (2, 7, 9, 3), dtype=np.uint8)
    assert np.array_equal(corpus.unpacked(corpus.packed(photos)), photos)


def test_a_batch_depends_on_its_seed_alone(tmp_path: Path) -> None:
    pairs = corpus.Pairs.read(planted_file(tmp_path / "pairs.npz"))
    first, second = (
        augmented_batch(pairs.layers, pairs.lower_edge, torch.Generator().manual_seed(seed), (64, 128))
        for seed in (1, 1)
    )
    assert torch.equal(first.crop, second.crop) and torch.equal(first.target, second.target)
    assert first.crop.abs().max() <= 1


def test_steps_on_one_batch_lower_the_loss(tmp_path: Path) -> None:
    learner = trainer(planted_file(tmp_path / "pairs.npz"), batch=4)
    losses = []
    for _ in range(4):
        learner.step = 0  # the same batch each time
        losses.append(learner.learn()["pixels"])
    assert losses[-1] < losses[0]


def test_going_on_from_a_checkpoint_is_as_not_having_stopped(tmp_path: Path) -> None:
    path = planted_file(tmp_path / "pairs.npz")
    whole, stopped, resumed = (trainer(path) for _ in range(3))
    through = [whole.learn() for _ in range(2)]
    stopped.learn()
    stopped.save(tmp_path / "checkpoint.pt")
    resumed.resume(tmp_path / "checkpoint.pt")
    assert resumed.learn() == through[1]
    for a, b in zip(whole.mean.parameters(), resumed.mean.parameters(), strict=True):
        assert torch.equal(a, b)


def test_nobody_of_dev_and_nobody_held_out_is_trained_on(tmp_path: Path) -> None:
    pairs = corpus.Pairs.read(planted_file(tmp_path / "pairs.npz"))
    assert set(pairs.people[pairs.training_rows()]) == {"a", "b"}
    assert set(pairs.people[pairs.validation_rows()]) == {"c"}
    with pytest.raises(ValueError, match="only 'train'"):
        trainer(planted_file(tmp_path / "dev.npz", "dev"))


def test_a_person_of_two_splits_is_in_neither(tmp_path: Path) -> None:
    pairs = pytest.importorskip("export.renderer.pairs")
    rows = "file,group,person,split,mouth_open\na.jpg,g,one,train,0.2\nb.jpg,g,two,train,0.2\nc.jpg,g,two,dev,0.2\n"
    (tmp_path / "index.csv").write_text(rows)
    assert [row["person"] for row in pairs.rows_of(tmp_path, "train")] == ["one"]
    assert pairs.rows_of(tmp_path, "dev") == []


def test_pairs_that_agree_badly_with_their_drawing_are_left_out(tmp_path: Path) -> None:
    pairs = corpus.Pairs.read(planted_file(tmp_path / "pairs.npz"))
    pairs = replace(pairs, agreement=np.array([0.8, 0.0, 0.8, 0.8, 0.8, 0.8], np.float32))
    assert 1 not in pairs.training_rows()


def test_sheets_and_checkpoint_are_written(tmp_path: Path) -> None:
    learner = trainer(planted_file(tmp_path / "pairs.npz"))
    train_mouth.train(learner, tmp_path, minutes=0.001, look=None)
    for name in ("checkpoint.pt", "losses.csv", "samples_held_out.png"):
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_exported_graph_is_the_network(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    build = pytest.importorskip("export.renderer.build")
    network = build.MouthGraph(MouthNet(), StylesSeen()).eval()
    torch.nn.init.normal_(network.network.leave.weight, std=0.1)
    build.export_onnx(network, tmp_path / "mouth.onnx")
    for window in ((3, 48, 112), (1, frame.HEIGHT, frame.WIDTH)):
        assert build.difference(network, tmp_path / "mouth.onnx", *window) < build.TOLERANCE


def test_styles_drawn_at_random_are_as_those_seen() -> None:
    generator = torch.Generator().manual_seed(1)
    seen = 3 + torch.randn(4000, frame.STYLE_SIZE, generator=generator) * torch.linspace(0.1, 2, frame.STYLE_SIZE)
    styles = StylesSeen()
    for part in seen.split(8):
        styles.update(part)
    drawn = styles(torch.randn(4000, frame.STYLE_SIZE, generator=generator))
    assert torch.allclose(drawn.mean(0), seen.mean(0), atol=0.3)
    assert torch.allclose(drawn.std(0), seen.std(0), rtol=0.2, atol=0.1)


def test_the_engine_draws_in_the_network_s_frame() -> None:
    from engine.portrait import mouth_frame
    from engine.render import mouth

    for name in ("PX_PER_CM", "HEIGHT", "WIDTH", "LIP_LINE_Y"):
        assert getattr(mouth_frame, name) == getattr(frame, name)
    assert mouth.STYLE_SIZE == frame.STYLE_SIZE
