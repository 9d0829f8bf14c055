"""What motions look like in numbers: blinks, saccades, heads, onsets, sides, diversity. Pure functions of tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from engine.mesh import BLENDSHAPES
from engine.motion.track import FPS, Motion
from engine.types import Floats

ALIVE = ("eyeBlink", "eyeLook", "_neutral")
EXPRESSION = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith(ALIVE)]
BLINK = BLENDSHAPES.index("eyeBlinkLeft")
SIDES = [(BLENDSHAPES.index(n), BLENDSHAPES.index(n[:-4] + "Right")) for n in BLENDSHAPES if n.endswith("Left")]
PARTIAL = 0.95  # a shallower blink doesn't close the eye
MOST_APART_FRAMES = 15  # that two sides are looked for
MOVES_AT_ALL = 0.15  # of a blendshape
SPECTRUM_HZ = (0.4, 4.0)


def figures(motions: Sequence[Motion]) -> dict[str, float | list[float]]:
    """Of many clips of one emotion, each of another seed."""
    blinks = [blink for motion in motions for blink in blinks_of(motion)]
    minutes = sum(len(motion) for motion in motions) / FPS / 60
    jumps = [jump for motion in motions for jump in saccades_of(motion)]
    speeds = [np.percentile(np.abs(np.diff(m.rotation_deg, axis=0)) * FPS, 95, axis=0) for m in motions]
    return {
        "blinks_per_minute": len(blinks) / minutes,
        "partial_blinks": mean([depth < PARTIAL for depth, _, _ in blinks]),
        "blink_closing_ms": mean([closing for _, closing, _ in blinks]),
        "blink_opening_ms": mean([opening for _, _, opening in blinks]),
        "saccades_per_minute": len(jumps) / minutes,
        "saccade_frames": mean([frames for frames, _ in jumps]),
        "saccade_deg": mean([size for _, size in jumps]),
        "head_sd_deg": np.mean([m.rotation_deg.std(0) for m in motions], 0).tolist(),
        "head_p95_deg_per_s": np.mean(speeds, 0).tolist(),
        "head_spectrum_slope": slope([m.rotation_deg for m in motions]),
        "face_spectrum_slope": slope([m.blendshapes[:, EXPRESSION] for m in motions]),
        "onset_ms": median([onset_ms(m) for m in motions]),
        "apex": median([float(strength(m).argmax()) / len(m) for m in motions]),
        "side_delay_ms": mean([delay for m in motions for delay in side_delays_ms(m)]),
        "side_delay_max_ms": max([0.0, *(delay for m in motions for delay in side_delays_ms(m))]),
        "side_difference": mean([d for m in motions for d in side_differences(m)]),
        "hold_waver": median([waver for m in motions for waver in hold_wavers(m)]),
        "distance_between_seeds": distance(motions),
        "correlation_of_heads": head_correlation(motions),
    }


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def median(values: Sequence[float]) -> float:
    found = [value for value in values if np.isfinite(value)]
    return float(np.median(found)) if found else float("nan")


def blinks_of(motion: Motion) -> list[tuple[float, float, float]]:
    """(depth, closing ms, opening ms) of each; closing to the deepest frame, opening until a tenth is left."""
    closed = motion.blendshapes[:, BLINK]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (closed > 0.02).astype(int), [0]])))
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        piece = closed[start:end]
        if piece.max() < 0.2 or start == 0 or end == len(closed):
            continue
        shut = int((piece >= 0.97 * piece.max()).argmax())
        last = len(piece) - 1 - int((piece[::-1] >= 0.97 * piece.max()).argmax())
        open_again = last + int((piece[last:] < 0.1 * piece.max()).argmax() or len(piece) - last)
        found.append((float(piece.max()), 1000 * (shut + 1) / FPS, 1000 * (open_again - last) / FPS))
    return found


def saccades_of(motion: Motion) -> list[tuple[int, float]]:
    """(frames, degrees) of each gaze jump."""
    gaze = motion.gaze_deg[:, :2]
    moving = np.abs(np.diff(gaze, axis=0)).max(1) > 0.12
    edges = np.flatnonzero(np.diff(np.concatenate([[0], moving.astype(int), [0]])))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(int(end - start), float(np.hypot(*(gaze[end] - gaze[start])))) for start, end in pairs]


def strength(motion: Motion) -> Floats:
    """How much of an expression there is, (T,)."""
    return np.asarray(np.abs(motion.blendshapes[:, EXPRESSION]).sum(1))


def onset_ms(motion: Motion) -> float:
    """From a tenth to nine tenths of what the first wave reaches."""
    level = strength(motion)
    if level.max() < MOVES_AT_ALL:
        return float("nan")
    most = np.percentile(level, 90)
    end = int((level >= 0.9 * most).argmax())
    start = end - int((level[: end + 1][::-1] <= 0.1 * most).argmax())
    return 1000 * (end - start) / FPS


def side_delays_ms(motion: Motion) -> list[float]:
    """By how much one side is ahead of the other: where their changes are most alike."""
    found = []
    for left, right in SIDES:
        tracks = motion.blendshapes[:, left], motion.blendshapes[:, right]
        if left in EXPRESSION and min(track.max() for track in tracks) > 2 * MOVES_AT_ALL:
            changes = [np.diff(track) for track in tracks]
            middle = changes[1][MOST_APART_FRAMES:-MOST_APART_FRAMES]
            shifted = np.lib.stride_tricks.sliding_window_view(changes[0], len(middle))
            alike = shifted @ middle / np.linalg.norm(shifted, axis=1)
            found.append(1000 * abs(int(alike.argmax()) - MOST_APART_FRAMES) / FPS)
    return found


def side_differences(motion: Motion) -> list[float]:
    """By how much of their mean the sides' peaks differ."""
    found = []
    for left, right in SIDES:
        most = motion.blendshapes[:, left].max(), motion.blendshapes[:, right].max()
        if left in EXPRESSION and min(most) > MOVES_AT_ALL:
            found.append(float(2 * abs(most[0] - most[1]) / (most[0] + most[1])))
    return found


def hold_wavers(motion: Motion) -> list[float]:
    """SD of what is faster than a second, against the level, while a blendshape is held."""
    found = []
    for i in EXPRESSION:
        track = motion.blendshapes[:, i]
        held = track[track > 0.75 * track.max()]
        if track.max() > 2 * MOVES_AT_ALL and len(held) > FPS:
            slow = np.convolve(np.pad(held, FPS // 4, mode="edge"), np.ones(FPS // 2 + 1) / (FPS // 2 + 1), "valid")
            found.append(float((held - slow[: len(held)]).std() / held.mean()))
    return found


def slope(tracks: Sequence[Floats]) -> float:
    """Of log power against log frequency, over all columns that move."""
    powers = []
    for track in tracks:
        moving = track[:, track.std(0) > 0.01]
        if moving.shape[1]:
            line = np.linspace(0, 1, len(track))[:, None]
            level = moving - moving[0] - line * (moving[-1] - moving[0])
            power = np.abs(np.fft.rfft(np.hanning(len(track))[:, None] * level, axis=0)) ** 2
            powers.append(power.sum(1) / power.sum())
    if not powers:
        return float("nan")
    frequency = np.fft.rfftfreq(len(tracks[0]), 1 / FPS)
    band = (frequency >= SPECTRUM_HZ[0]) & (frequency <= SPECTRUM_HZ[1])
    return float(np.polyfit(np.log(frequency[band]), np.log(np.mean(powers, 0)[band]), 1)[0])


def distance(motions: Sequence[Motion]) -> float:
    """Mean distance of two seeds' expressions: RMS over time, summed over blendshapes."""
    tracks = [m.blendshapes[:, EXPRESSION] for m in motions[:40]]
    return mean([float(np.sqrt(((a - b) ** 2).mean(0).sum())) for a, b in combinations(tracks, 2)])


def correlations(a: Floats, b: Floats) -> list[float]:
    """Of the columns of two tracks that move in both, as they are."""
    moving = np.flatnonzero((a.std(0) > 0.02) & (b.std(0) > 0.02))
    return [float(np.corrcoef(a[:, i], b[:, i])[0, 1]) for i in moving]


def head_correlation(motions: Sequence[Motion]) -> float:
    """Mean over axes and pairs of clips of the heads' rotations."""
    pairs = zip(motions[::2], motions[1::2], strict=False)
    return mean([r for a, b in pairs for r in correlations(a.rotation_deg, b.rotation_deg)])


def face_correlation(a: Motion, b: Motion) -> float:
    """Mean over the blendshapes of two faces; nan where none moves in both."""
    return mean(correlations(a.blendshapes[:, EXPRESSION], b.blendshapes[:, EXPRESSION]))


def together(pairs: Sequence[Sequence[Motion]]) -> dict[str, float]:
    """How far two faces of one photo move in step; each pair is of another seed."""
    faces = np.array([face_correlation(a, b) for a, b in pairs])
    return {
        "correlation_of_faces": float(faces.mean()),
        "share_below_0.3": float((faces < 0.3).mean()),
        "correlation_of_heads": mean([r for a, b in pairs for r in correlations(a.rotation_deg, b.rotation_deg)]),
    }


def table(rows: Mapping[str, Mapping[str, float | list[float]]]) -> str:
    """One line a figure, one column a row of `rows`."""
    names = list(next(iter(rows.values())))
    lines = [f"{'':28}" + "".join(f"{name:>18}" for name in rows)]
    for name in names:
        values = [rows[row][name] for row in rows]
        lines.append(f"{name:28}" + "".join(f"{shown(value):>18}" for value in values))
    return "\n".join(lines)


def shown(value: float | list[float]) -> str:
    return " ".join(f"{v:.1f}" for v in value) if isinstance(value, list) else f"{value:.2f}"
