// Sampling along one axis: which pixels a place is mixed from. Over several axes it is the product of them.
#pragma once

#include "maths.h"

#include <cmath>

namespace mien {

enum Mode { kBilinear, kNearest, kBicubic };
enum Padding { kZeros, kBorder, kReflection };

constexpr int kMostTaps = 4;

// Pixels along an axis, and their shares. Those outside of the image have no share, and any valid index.
template <int taps> struct Taps {
    int at[taps];
    float share[taps];
};

MIEN_HD constexpr int taps_of(Mode mode) { return mode == kNearest ? 1 : mode == kBilinear ? 2 : 4; }

MIEN_HD float to_pixels(float coordinate, int size, bool align_corners) {
    return align_corners ? (coordinate + 1) / 2 * float(size - 1) : ((coordinate + 1) * float(size) - 1) / 2;
}

// A place moved inside by the padding; "zeros" leaves it where it is.
MIEN_HD float pad(float at, int size, Padding padding, bool align_corners) {
    if (padding == kZeros) {
        return at;
    }
    if (padding == kReflection) {
        const float low = align_corners ? 0.0f : -0.5f, span = align_corners ? float(size - 1) : float(size);
        const float away = span > 0 ? fmodf(fabsf(at - low), 2 * span) : 0.0f;
        at = (away < 2 * span - away ? away : 2 * span - away) + low;
    }
    return clamp_to(at, float(size - 1));
}

template <Mode mode>
MIEN_HD Taps<taps_of(mode)> axis_taps(float coordinate, int size, Padding padding, bool align_corners) {
    float at = to_pixels(coordinate, size, align_corners);
    if (mode != kBicubic) {
        at = pad(at, size, padding, align_corners);
    }
    // Far outside nothing has a share, and an integer can hold the place. NaN is outside, or the first pixel.
    const float far = mode == kBicubic && padding != kZeros ? 1e9f : float(size) + 9;
    at = at > -far ? (at < far ? at : far) : padding == kZeros || at <= -far ? -far : 0.0f;
    const float low = mode == kNearest ? nearbyintf(at) : floorf(at), share = at - low;
    Taps<taps_of(mode)> taps;
    if constexpr (mode == kBicubic) {
        const CubicShares shares = cubic_shares(share);
        for (int i = 0; i < 4; ++i) {
            const float place = pad(low + float(i - 1), size, padding, align_corners);
            const bool inside = place >= 0 && place <= float(size - 1);
            taps.at[i] = inside ? int(place) : 0;
            taps.share[i] = inside ? shares.of[i] : 0.0f;
        }
    } else {
        for (int i = 0; i < taps_of(mode); ++i) {
            const int place = int(low) + i;
            const bool inside = place >= 0 && place < size;
            taps.at[i] = inside ? place : 0;
            taps.share[i] = !inside ? 0.0f : mode == kNearest ? 1.0f : i == 0 ? 1 - share : share;
        }
    }
    return taps;
}

} // namespace mien
