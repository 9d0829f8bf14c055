// One row of output pixels at a time: where each comes from, and the four neighbours it is mixed from.
#pragma once

#include "maths.h"
#include "native.h"
#include "simd.h"

#include <vector>

namespace mien {

// Reads a coarse lattice (rows x columns x 4) at evenly spaced places, row by row from the top. Each coarse row is
// stretched once, so that a row of pixels is a mixture of two rows of numbers.
class Enlarged {
  public:
    // Its columns are read at first + i * step for i below width, in nodes.
    Enlarged(const float *coarse, int rows, int columns, int channels, float first, float step, int width);

    // Writes channels x width values at a row in nodes.
    void read(float row, float *out);

  private:
    void stretch(int row, float *out) const;

    const float *coarse_;
    int rows_, columns_, channels_, width_;
    std::vector<int> node_;
    std::vector<float> share_;
    int low_ = -2; // the coarse row that `upper_` holds; `lower_` holds the next one
    std::vector<float> upper_, lower_;
};

// For each pixel of a row the first of its four neighbours, how far it is from it, and what it takes of sixteen.
struct Spots {
    std::vector<int> first; // in pixels of MienImages
    std::vector<float> right, below;
    std::vector<float> shares; // 8 x width: of the four rows around it, then of the four columns, see `sharp`

    explicit Spots(int width) : first(width), right(width), below(width), shares(8 * std::size_t(width)) {}
    // x, y: `count` places in pixels. Beyond the border counts as on it, NaN as 0.
    void find(const float *x, const float *y, int count, const MienImages &image);
};

// The pixel between four neighbours, in steps of the image's channels.
MIEN_INLINE f4 mixed(const std::int16_t *pixels, int stride, int first, float right, float below) {
    const std::int16_t *at = pixels + std::ptrdiff_t(first) * 4;
    const auto pair = [](const std::int16_t *from) {
        return __builtin_convertvector(__builtin_convertvector(load<s8>(from), i8), f8);
    };
    const f8 top = pair(at), bottom = pair(at + std::ptrdiff_t(stride) * 4);
    const f8 both = top + below * (bottom - top);
    f4 one, next;
    std::memcpy(&one, &both, sizeof one);
    std::memcpy(&next, reinterpret_cast<const char *>(&both) + sizeof one, sizeof next);
    return one + right * (next - one);
}

// The pixel at the i-th of some places, from the sixteen around it: fine detail stays, which a mixture of four blurs.
MIEN_INLINE f4 sharp(const std::int16_t *pixels, int stride, const Spots &spots, int i) {
    const std::int16_t *at = pixels + (std::ptrdiff_t(spots.first[i]) - stride - 1) * 4;
    const std::size_t width = spots.first.size();
    const float *shares = spots.shares.data() + i;
    f16 columns = {};
    for (int k = 0; k < 4; ++k) {
        const s16 row = load<s16>(at + std::ptrdiff_t(k) * stride * 4);
        columns += shares[k * width] * __builtin_convertvector(__builtin_convertvector(row, i16), f16);
    }
    f4 of[4];
    std::memcpy(of, &columns, sizeof of);
    const float *across = shares + 4 * width;
    return (across[0] * of[0] + across[width] * of[1]) + (across[2 * width] * of[2] + across[3 * width] * of[3]);
}

// `mixed` for one channel of floats that are packed alike.
MIEN_INLINE float mixed(const float *plane, int stride, int first, float right, float below) {
    const float *top = plane + first, *bottom = top + stride;
    const float above = top[0] + right * (top[1] - top[0]), beneath = bottom[0] + right * (bottom[1] - bottom[0]);
    return above + below * (beneath - above);
}

// Lays a row of premultiplied pixels (width x 4) over a background (width x 3) -> out (width x 3).
void lay_over(const float *drawn, const std::uint8_t *behind, int width, std::uint8_t *out);

} // namespace mien
