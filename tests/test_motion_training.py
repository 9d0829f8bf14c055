"""The motion network's training set keeps to what is known of faces, scores say all of it, training can be resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

import onnxruntime  # noqa: E402

from engine.mesh import BLENDSHAPES  # noqa: E402
from export.motion import corpus, score  # noqa: E402
from export.motion.build import INPUTS, MotionNetwork, example_inputs, export_onnx, ship  # noqa: E402
from export.motion.captured import CapturedMotion  # noqa: E402
from export.motion.correct import ALIKE, WIDER, Corrector, enlarged  # noqa: E402
from export.motion.facts import PERFORMED, SINCE_TRAINED  # noqa: E402
from export.motion.hold import DRIFT, Drift  # noqa: E402
from export.motion.network import MotionModel, flow  # noqa: E402
from export.motion.performer import DETAILS, Performer  # noqa: E402
from export.motion.simulator import Performance, simulate  # noqa: E402
from export.motion.straighten import Straightener  # noqa: E402
from export.motion.style import STYLE_SIZE, Style  # noqa: E402
from export.motion.train import Trainer, batch_of, losses_of  # noqa: E402

SECONDS = 4.0
KNOTS = corpus.knots_for(SECONDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up capture: every muscle comes and goes in its own time."""
    path = tmp_path_factory.mktemp("captured")
    t = np.arange(1200) / 30
    names = [name[0].upper() + name[1:] for name in BLENDSHAPES if name != "_neutral"]
    speeds = np.random.default_rng(0).uniform(0.2, 0.6, len(names))
    values = 0.5 - 0.5 * np.cos(2 * np.pi * t[:, None] * speeds)
    lines = [",".join(["Timecode", *names])]
    lines += [",".join(["0", *(f"{value:.4f}" for value in row)]) for row in values**3]
    (path / "take.csv").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def captured(folder: Path) -> CapturedMotion:
    return CapturedMotion.read(sorted(folder.glob("*.csv")))


def played(emotion: str, seed: int, captured: CapturedMotion, seconds: float = SECONDS) -> Performance:
    rng = np.random.default_rng(seed)
    style = Style.of(rng.normal(size=STYLE_SIZE), np.zeros(52))
    frames = score.frames_of(corpus.knots_for(seconds))
    return simulate([(0.0, {emotion: 1.0})], seconds, frames, style, np.zeros(3), captured, rng)


def test_splines_reproduce_straight_lines() -> None:
    line = (np.arange(KNOTS) - 1) / score.KNOT_FPS
    np.testing.assert_allclose(score.spline_matrix(KNOTS) @ line, np.arange(score.frames_of(KNOTS)) / 60, atol=1e-12)


def test_a_score_says_all_of_a_performance(captured: CapturedMotion) -> None:
    clips = [played("anger", seed, captured) for seed in range(12)]
    parts = [score.written(clip, corpus.fit_matrix(KNOTS)) for clip in clips]
    scale = score.Scale.of(*(np.concatenate([part[i] for part in parts]) for i in range(2)))
    standard = np.stack([scale.standard(*part) for part in parts])
    found = Performer(scale)(
        torch.tensor(standard, dtype=torch.float32).transpose(1, 2),
        torch.tensor(np.stack([score.blink_events(clip, KNOTS) for clip in clips]), dtype=torch.float32),
        torch.zeros(len(clips), DETAILS, KNOTS),
        torch.ones(len(clips)),
        torch.full((len(clips),), SECONDS),
        torch.zeros(len(clips)),
    )
    shapes, _, rotation, _, gaze, _ = (track.numpy() for track in found)
    blink = BLENDSHAPES.index("eyeBlinkLeft")
    for i, clip in enumerate(clips):
        seen = np.delete(shapes[i], list(score.MOVED_BY_EVENTS), 1)
        np.testing.assert_allclose(seen, np.delete(clip.blendshapes, list(score.MOVED_BY_EVENTS), 1), atol=0.25)
        np.testing.assert_allclose(rotation[i], clip.posed_rotation_deg + clip.idle_rotation_deg, atol=0.6)
        closing = np.flatnonzero((shapes[i][1:, blink] > 0) & (shapes[i][:-1, blink] == 0)) / 60
        np.testing.assert_allclose(closing, [at for at, _ in clip.blinks], atol=0.04)
        for at, target in zip(clip.gaze.seconds, clip.gaze.targets_deg, strict=True):
            if at < SECONDS - 0.35:
                np.testing.assert_allclose(gaze[i][round(60 * at) + 7, 0], target[0], atol=0.6)


@pytest.mark.parametrize("emotion", [name for name, emotion in PERFORMED.items() if emotion.units])
def test_simulated_expressions_come_in_their_time(emotion: str, captured: CapturedMotion) -> None:
    """The courses' rises last as long as the facts say, and the apex lies in the middle of the clip."""
    low, high = PERFORMED[emotion].onset_seconds
    onsets = []
    for seed in range(12):
        level = np.abs(played(emotion, seed, captured).blendshapes).sum(1)[: round(60 * SECONDS)]
        end = (level >= 0.9 * np.percentile(level, 90)).argmax()
        onsets.append((end - (level >= 0.1 * level.max()).argmax()) / 60)
        assert level[84:180].max() > 0.93 * level.max()
    assert 0.4 * low < np.median(onsets) < 1.6 * high


def test_a_timeline_s_emotions_follow_each_other(captured: CapturedMotion) -> None:
    steps = [(0.0, {}), (1.5, {"surprise": 1.0}), (3.5, {"joy": 1.0})]
    rng = np.random.default_rng(0)
    frames = score.frames_of(corpus.knots_for(6.0))
    clip = simulate(steps, 6.0, frames, Style.of(np.zeros(STYLE_SIZE), np.zeros(52)), np.zeros(3), captured, rng)
    brows, smile = (clip.blendshapes[:, BLENDSHAPES.index(name)] for name in ("browInnerUp", "mouthSmileLeft"))
    assert np.abs(clip.blendshapes[:80]).max() < 0.05
    assert brows[150] > 0.7 and smile[150] < 0.3
    assert brows[330] < 0.5 and smile[330] > 0.5


@pytest.fixture(scope="module")
def small_corpus(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus")
    np.savez(path / "readings.npz", blendshapes=np.zeros((2, 52)), pose_deg=np.zeros((2, 3)))
    corpus.build(folder, path / "readings.npz", path / "corpus.npz", clips=7 * 80, seed=1, processes=1)
    return path / "corpus.npz"


def on_the_same_clips(trainer: Trainer) -> np.ndarray:
    """Both losses of the network as it is, on all clips of one length, with the same noise every time."""
    clips = trainer.clips[84]
    batch = batch_of(clips, torch.arange(len(clips["scores"])), trainer.device)
    with torch.no_grad():
        return np.array([float(part) for part in losses_of(trainer.model, batch, torch.Generator().manual_seed(0))])


def test_training_lowers_the_loss_and_goes_on_where_it_was(small_corpus: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = Trainer(small_corpus, tmp_path / "whole", batch=16, seed=1)
    before = on_the_same_clips(whole)
    losses = [whole.learn() for _ in range(30)]
    assert (on_the_same_clips(whole) < before).all()
    (tmp_path / "parts").mkdir()
    first = Trainer(small_corpus, tmp_path / "parts", batch=16, seed=1)
    for _ in range(15):
        first.learn()
    first.save()
    second = Trainer(small_corpus, tmp_path / "parts", batch=16, seed=1)
    np.testing.assert_allclose([second.learn() for _ in range(15)], losses[15:], rtol=1e-3)


def random_network(corpus_file: Path, spread: float) -> MotionNetwork:
    with np.load(corpus_file) as stored:
        scale = score.Scale(stored["axes"], stored["mean"], stored["spread"])
    torch.manual_seed(0)
    network = MotionNetwork(MotionModel(), scale).eval()
    for weight in network.model.parameters():
        torch.nn.init.normal_(weight, 0, spread)
    return network


def test_straightening_brings_few_steps_to_where_many_go(small_corpus: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    crooked = Trainer(small_corpus, tmp_path, batch=16, seed=1)
    for model in (crooked.model, crooked.mean.module):
        torch.nn.init.normal_(model.field.leave.weight, 0, 0.2)
    crooked.save()
    out = tmp_path / "straight"
    out.mkdir()
    straightener = Straightener(small_corpus, tmp_path / "checkpoint.pt", out, pairs=24)
    before = straightener.held_out()
    for _ in range(60):
        straightener.learn()
    after = straightener.held_out()
    assert after < 0.9 * before
    straightener.save()
    again = Straightener(small_corpus, tmp_path / "checkpoint.pt", out)
    assert again.step == 60
    assert again.held_out() == pytest.approx(after, rel=1e-3)


@pytest.mark.filterwarnings("ignore")  # torch's exporter has many
def test_correcting_brings_the_network_to_its_corrected_clips(small_corpus: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    ship(random_network(small_corpus, 0.05), tmp_path)
    corrector = Corrector(small_corpus, tmp_path / "motion.onnx", tmp_path)
    noise, asked, told, wanted = corrector.examples(84, torch.arange(12), torch.Generator().manual_seed(0))

    def missed(network: MotionNetwork) -> float:
        with torch.no_grad():
            return float((flow(network.model.field, noise, asked, told, network.steps) - wanted).square().mean())

    before = missed(corrector.corrected())
    for _ in range(40):
        corrector.learn()
    assert missed(corrector.corrected()) < 0.95 * before
    corrector.save()
    again = Corrector(small_corpus, tmp_path / "motion.onnx", tmp_path)
    assert again.step == 40
    assert missed(again.corrected()) == missed(corrector.corrected())


def test_clips_of_one_wish_are_brought_apart_and_keep_their_mean() -> None:
    """What is slow in their shapes, as far as the emotion says; everything else stays."""
    asked = torch.zeros(2 * ALIKE, 9, KNOTS)
    asked[ALIKE:, corpus.NAMES.index("surprise")] = 1  # the first are neutral
    levels = torch.arange(2.0 * ALIKE)[:, None, None].expand(-1, score.CHANNELS, KNOTS)
    found = enlarged(levels, asked)
    shapes, before = found[:, : score.SHAPE_CHANNELS, 0], levels[:, : score.SHAPE_CHANNELS, 0]
    torch.testing.assert_close(found[:ALIKE], levels[:ALIKE])
    torch.testing.assert_close(found[:, score.SHAPE_CHANNELS :], levels[:, score.SHAPE_CHANNELS :])
    torch.testing.assert_close(shapes[ALIKE:].mean(0), before[ALIKE:].mean(0))
    torch.testing.assert_close(shapes[ALIKE:].std(0), WIDER["surprise"] * before[ALIKE:].std(0))


def test_one_side_of_a_face_is_later_than_the_other() -> None:
    """By as much as is asked, and otherwise the same; what has no side isn't."""
    performer = Performer(score.Scale(np.eye(26, 52), np.zeros(score.CHANNELS), np.ones(score.CHANNELS)))
    bell = torch.exp(-0.5 * ((torch.arange(KNOTS) - 30) / 3.0) ** 2)
    late = torch.tensor([[0.0, 0.75, 1.5]])
    found = performer.delayed(bell.expand(1, 3, KNOTS), late)[0]
    frames = torch.arange(found.shape[1])
    torch.testing.assert_close(found[0], performer.splined(bell[None, None])[0, 0])
    for track, knots in zip(found, late[0], strict=True):
        assert float((track * frames).sum() / track.sum()) == pytest.approx(4 * (29 + float(knots)), abs=0.01)
    left = BLENDSHAPES.index("browDownLeft")
    assert performer.sides[left] == 1 and performer.sides[left + 1] == -1
    assert performer.sides[BLENDSHAPES.index("jawOpen")] == 0


def test_what_changed_since_training_goes_with_its_emotion(small_corpus: Path) -> None:
    """Also while the face still comes back from it; a mix has its share of it, everything else stays."""
    network = random_network(small_corpus, 0.02)
    fear, joy = corpus.NAMES.index("fear"), corpus.NAMES.index("joy")
    asked = torch.zeros(3, len(corpus.NAMES), KNOTS)
    asked[0, fear, 10:30] = 0.7  # then neutral
    asked[1, fear], asked[1, joy] = 0.5, 0.5
    asked[2, joy] = 1.0
    found = network.factors(asked, torch.zeros(3, DETAILS, KNOTS)).detach().numpy()
    for muscle, factor in SINCE_TRAINED["fear"].items():
        in_joy = SINCE_TRAINED["joy"].get(muscle, 1.0)
        columns = [i for i, name in enumerate(BLENDSHAPES) if name.startswith(muscle)]
        assert columns
        np.testing.assert_allclose(found[0, :28][:, columns], 1.0)
        np.testing.assert_allclose(found[0, 48:][:, columns], factor, rtol=1e-5)
        np.testing.assert_allclose(found[1, 8:][:, columns], 0.5 * in_joy + 0.5 * factor, rtol=1e-5)
    np.testing.assert_allclose(found[2][:, BLENDSHAPES.index("browDownLeft")], 1.0)
    np.testing.assert_allclose(found[:, :, BLENDSHAPES.index("eyeBlinkLeft")], 1.0)


def test_a_held_expression_drifts() -> None:
    """By as much as its emotion says, slowly, brows otherwise than the mouth, both sides alike; eyes look as before."""
    knots, faces = 84, 400
    noise = torch.randn(faces, 3, knots, generator=torch.Generator().manual_seed(1))
    felt = torch.zeros(faces, len(corpus.NAMES), knots)
    felt[:, corpus.NAMES.index("joy")] = 1
    found = Drift()(noise, felt)
    brow, mouth = (found[:, BLENDSHAPES.index(name)] - 1 for name in ("browInnerUp", "mouthSmileLeft"))
    for track in (brow, mouth):
        assert float(track.std()) == pytest.approx(DRIFT["joy"], rel=0.1)
        assert float(track.mean()) == pytest.approx(0, abs=0.01)
        assert float(track.diff(dim=1).std()) < 0.2 * DRIFT["joy"]
        assert float(track.abs().max()) < 2 * DRIFT["joy"]
    assert 0.2 < float(torch.corrcoef(torch.stack([brow.flatten(), mouth.flatten()]))[0, 1]) < 0.5
    torch.testing.assert_close(mouth, found[:, BLENDSHAPES.index("mouthSmileRight")] - 1)
    assert (found[:, [i for i, name in enumerate(BLENDSHAPES) if name.startswith(("eyeBlink", "eyeLook"))]] == 1).all()
    assert (Drift()(noise, 0 * felt) == 1).all()


@pytest.mark.filterwarnings("ignore")  # torch's exporter has many
def test_the_exported_graph_is_the_network(small_corpus: Path, tmp_path: Path) -> None:
    """For other numbers of faces and knots than it was exported with."""
    network = random_network(small_corpus, 0.02)
    export_onnx(network, tmp_path / "motion.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "motion.onnx", providers=["CPUExecutionProvider"])
    for faces, knots in ((1, 36), (3, 64)):
        inputs = example_inputs(faces, knots)
        inputs["emotions"][:, 2] = 1
        with torch.inference_mode():
            expected = network(*(inputs[name] for name in INPUTS))
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(a.numpy(), b, atol=1e-4)
