// Maths that host and device share, one value at a time. kernels/reference.py is its definition.
#pragma once

#include <cmath>
#include <cstddef>

#ifdef __CUDACC__
#define MIEN_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
// Callers are compiled for several instruction sets, and only what is inlined is compiled along with them.
#define MIEN_HD inline __attribute__((always_inline))
#else
#define MIEN_HD inline
#endif

namespace mien {

constexpr float kDamping = 0.03f; // of the least squares; 1 is the slope of a field at rest
constexpr float kKnownMargin = 0.1f; // of a patch's height, along which its own field is led over into the smooth one

// Written so that NaN becomes 0: a NaN would index outside of the image.
MIEN_HD float clamp_to(float value, float high) { return value > 0.0f ? (value < high ? value : high) : 0.0f; }

MIEN_HD int smaller(int a, int b) { return a < b ? a : b; }
MIEN_HD float smaller(float a, float b) { return a < b ? a : b; }

// An index beyond an axis becomes the axis' last or first one.
MIEN_HD int clamp_index(int i, int size) { return smaller(i < 0 ? 0 : i, size - 1); }

// Where pixels are in images that are packed as native.h says: how long a row or column of them is there, and which one
// is the pixel at x, y.
MIEN_HD int stride_of(int size) { return size + 3; }
MIEN_HD int packed_index(int x, int y, int stride) { return (y + 1) * stride + x + 1; }

constexpr float kCubic = -0.75f; // the free parameter of Keys' kernel (1981), as in torch

// The shares of four pixels in a row, of which a place is `share` behind the second one.
struct CubicShares {
    float of[4];
};

MIEN_HD CubicShares cubic_shares(float share) {
    const float rest = 1.0f - share, outer = kCubic * share * rest;
    const auto near = [](float away) { return ((kCubic + 2.0f) * away - (kCubic + 3.0f)) * away * away + 1.0f; };
    return {{outer * rest, near(share), near(rest), outer * share}};
}

// The four pixels around a place, and its distance from the first one. Beyond the border counts as on it.
struct Corners {
    int x0, y0, x1, y1;
    float right, below;
};

MIEN_HD Corners corners_at(float x, float y, int height, int width) {
    const float inside_x = clamp_to(x, float(width - 1)), inside_y = clamp_to(y, float(height - 1));
    const int x0 = int(inside_x), y0 = int(inside_y);
    return {x0, y0, smaller(x0 + 1, width - 1), smaller(y0 + 1, height - 1), inside_x - float(x0), inside_y - float(y0)};
}

// One channel (height x width) at a place in pixels, bilinear.
MIEN_HD float sample_plane(const float *plane, int height, int width, float x, float y) {
    const Corners at = corners_at(x, y, height, width);
    const float *top = plane + std::ptrdiff_t(at.y0) * width, *bottom = plane + std::ptrdiff_t(at.y1) * width;
    const float above = top[at.x0] + at.right * (top[at.x1] - top[at.x0]);
    const float beneath = bottom[at.x0] + at.right * (bottom[at.x1] - bottom[at.x0]);
    return above + at.below * (beneath - above);
}

// How far a patch's own field is to be trusted for what comes from x, y in the crop (width x height): not beyond the
// patch's box (x0, y0, x1, y1), where it isn't known, but for sides that are the crop's own.
MIEN_HD float known_share(float x, float y, const float *box, int width, int height) {
    const float margin = kKnownMargin * (box[3] - box[1]);
    float near = margin;
    near = box[0] > 0.0f ? smaller(near, x - box[0]) : near;
    near = box[1] > 0.0f ? smaller(near, y - box[1]) : near;
    near = box[2] < float(width - 1) ? smaller(near, box[2] - x) : near;
    near = box[3] < float(height - 1) ? smaller(near, box[3] - y) : near;
    const float t = near > 0.0f ? near / margin : 0.0f;
    return t * t * (3.0f - 2.0f * t);
}

constexpr int kShadeSteps = 4; // to each side, at which shade looks for skin
constexpr float kShadePlaces = (2 * kShadeSteps + 1) * (2 * kShadeSteps + 1);

// Pixels from where shade is, at the k-th of those steps of so many pixels.
MIEN_HD int shade_offset(int k, float step) { return int(nearbyintf(float(k) * step)); }

struct Step {
    float x, y;
};

// The step that would bring x, y to 0, in damped least squares (Levenberg 1944, Marquardt 1963), where the slopes are
// (a, c) along x and (b, d) along y; no longer than `reach`. Where the field folds and has no inverse, the damping
// makes it a short step downhill.
MIEN_HD Step newton_step(float x, float y, float a, float c, float b, float d, float reach) {
    const float right_x = a * x + c * y, right_y = b * x + d * y;
    const float xx = a * a + c * c + kDamping, xy = a * b + c * d, yy = b * b + d * d + kDamping;
    const float inverse = 1.0f / (xx * yy - xy * xy);
    const float step_x = (yy * right_x - xy * right_y) * inverse, step_y = (xx * right_y - xy * right_x) * inverse;
    const float length = sqrtf(step_x * step_x + step_y * step_y);
    const float share = length > reach ? reach / length : 1.0f;
    return {step_x * share, step_y * share};
}

} // namespace mien
