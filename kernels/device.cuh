// What the device's layered warp and its patches share: reading packed images and coarse lattices, and laying over.
#pragma once

#include "maths.h"
#include "native.h"

#include <cstddef>

namespace mien {

__device__ float4 mix(float4 a, float4 b, float share) {
    return {a.x + share * (b.x - a.x), a.y + share * (b.y - a.y), a.z + share * (b.z - a.z), a.w + share * (b.w - a.w)};
}

__device__ float4 level(short4 v) { return {float(v.x), float(v.y), float(v.z), float(v.w)}; }

// Adds `share` of b to a.
__device__ float4 plus(float4 a, float share, float4 b) {
    return {a.x + share * b.x, a.y + share * b.y, a.z + share * b.z, a.w + share * b.w};
}

// A packed image at a place in its pixels, in grey levels and shares, from the sixteen pixels around.
__device__ float4 sharp_at(const MienImages &image, float x, float y) {
    const Corners c = corners_at(x, y, image.height, image.width);
    const int stride = stride_of(image.width);
    const short4 *at = reinterpret_cast<const short4 *>(image.pixels) + packed_index(c.x0 - 1, c.y0 - 1, stride);
    const CubicShares down = cubic_shares(c.below), across = cubic_shares(c.right);
    float4 found = {};
    for (int row = 0; row < 4; ++row) {
        float4 line = {};
        for (int column = 0; column < 4; ++column) {
            line = plus(line, across.of[column], level(at[row * stride + column]));
        }
        found = plus(found, down.of[row], line);
    }
    return {found.x * image.colour, found.y * image.colour, found.z * image.colour, found.w * image.alpha};
}

// One of some packed images at a place in its pixels, in grey levels and shares.
__device__ float4 image_at(const MienImages &images, int which, float x, float y) {
    const Corners c = corners_at(x, y, images.height, images.width);
    const std::ptrdiff_t stride = stride_of(images.width);
    const short4 *at = reinterpret_cast<const short4 *>(images.pixels) +
                       which * stride_of(images.height) * stride + packed_index(c.x0, c.y0, int(stride));
    const float4 found = mix(mix(level(at[0]), level(at[1]), c.right),
                             mix(level(at[stride]), level(at[stride + 1]), c.right), c.below);
    return {found.x * images.colour, found.y * images.colour, found.z * images.colour, found.w * images.alpha};
}

// The person at a place in the crop, whose skin folds by `strength` and is in light brighter by `light`, and whose
// colours in the photo are other ones by `change`.
__device__ float4 person_at(const MienWarp &w, float x, float y, float strength, float light,
                            float3 change = {0, 0, 0}) {
    const float4 found = sharp_at(w.source, x, y);
    const float gain = 1 + light;
    float dark = 0;
    if (strength != 0) {
        const Corners c = corners_at(x, y, w.source.height, w.source.width);
        const int stride = stride_of(w.source.width);
        const float *at = w.source_folds + packed_index(c.x0, c.y0, stride), *under = at + stride;
        const float above = at[0] + c.right * (at[1] - at[0]), beneath = under[0] + c.right * (under[1] - under[0]);
        dark = strength * (above + c.below * (beneath - above));
    }
    const float *tint = w.fold_tint;
    return {(found.x + change.x) * gain * (1 - tint[0] * dark), (found.y + change.y) * gain * (1 - tint[1] * dark),
            (found.z + change.z) * gain * (1 - tint[2] * dark), found.w};
}

__device__ void lay_over(float4 drawn, const std::uint8_t *behind, std::uint8_t *out) {
    const float through = 1 - drawn.w, colours[3] = {drawn.x, drawn.y, drawn.z};
    for (int c = 0; c < 3; ++c) {
        out[c] = std::uint8_t(nearbyintf(clamp_to(colours[c] + through * behind[c], 255.0f)));
    }
}

// A coarse lattice (frames x rows x columns x 4: two offsets, folds, light) between nodes.
__device__ float4 coarse_at(const float *coarse, int frame, int rows, int columns, float x, float y) {
    const Corners c = corners_at(x, y, rows, columns);
    const float *plane = coarse + std::ptrdiff_t(frame) * rows * columns * 4;
    float found[4];
    for (int k = 0; k < 4; ++k) {
        const auto node = [&](int i, int j) { return plane[(i * columns + j) * 4 + k]; };
        const float above = node(c.y0, c.x0) + c.right * (node(c.y0, c.x1) - node(c.y0, c.x0));
        const float beneath = node(c.y1, c.x0) + c.right * (node(c.y1, c.x1) - node(c.y1, c.x0));
        found[k] = above + c.below * (beneath - above);
    }
    return {found[0], found[1], found[2], found[3]};
}

} // namespace mien
