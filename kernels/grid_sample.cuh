// What a thread of grid_sample does on the device: features of float or half, NCHW, and always float32 grids, since 16
// bits can't tell places that are a hundredth of a pixel apart. The pointers of MienSampling are the device's, `image`
// and `out` of the kernel's own type.
#pragma once

#include "grid_sample.h"
#include "native.h"

#include <cuda_fp16.h>

using namespace mien;

namespace {

constexpr int kBlock = 256;
constexpr int kChannels = 8; // of a thread in the fast version: as many as share one look at the grid

template <int axes, Mode mode, typename T>
__device__ float sample_channel(const MienSampling &s, const T *channel, const Taps<taps_of(mode)> (&taps)[3]) {
    float sum = 0;
    for (int k = 0; k < (axes == 3 ? taps_of(mode) : 1); ++k) {
        for (int j = 0; j < taps_of(mode); ++j) {
            const float share = taps[1].share[j] * (axes == 3 ? taps[2].share[k] : 1.0f);
            const std::ptrdiff_t row = (std::ptrdiff_t(axes == 3 ? taps[2].at[k] : 0) * s.height + taps[1].at[j]) * s.width;
            for (int i = 0; i < taps_of(mode); ++i) {
                sum += share * taps[0].share[i] * float(channel[row + taps[0].at[i]]);
            }
        }
    }
    return sum;
}

// Reads channels from `first` to before `last` at one place of one grid.
template <int axes, Mode mode, typename T>
__device__ void sample_place(const MienSampling &s, int n, std::ptrdiff_t place, int first, int last) {
    const std::ptrdiff_t places = std::ptrdiff_t(s.out_depth) * s.out_height * s.out_width;
    const std::ptrdiff_t pixels = std::ptrdiff_t(s.depth) * s.height * s.width;
    const float *grid = s.grid + (n * places + place) * axes;
    const int sizes[3] = {s.width, s.height, s.depth};
    Taps<taps_of(mode)> taps[3];
    for (int axis = 0; axis < axes; ++axis) {
        taps[axis] = axis_taps<mode>(grid[axis], sizes[axis], Padding(s.padding), s.align_corners != 0);
    }
    const T *image = reinterpret_cast<const T *>(s.image) + (s.images > 1 ? n : 0) * pixels * s.channels;
    T *out = reinterpret_cast<T *>(s.out) + std::ptrdiff_t(n) * s.channels * places + place;
    for (int c = first; c < last; ++c) {
        out[c * places] = T(sample_channel<axes, mode>(s, image + c * pixels, taps));
    }
}

// Naive: a thread for each number that is written. Blocks: (places / kBlock rounded up, channels, batch).
template <int axes, Mode mode, typename T> __device__ void naive(const MienSampling &s) {
    const std::ptrdiff_t place = std::ptrdiff_t(blockIdx.x) * kBlock + threadIdx.x;
    if (place < std::ptrdiff_t(s.out_depth) * s.out_height * s.out_width) {
        sample_place<axes, mode, T>(s, blockIdx.z, place, blockIdx.y, blockIdx.y + 1);
    }
}

// Fast: a thread looks at the grid once for kChannels channels; its warp still writes next to each other.
// Blocks: (places / kBlock, channels / kChannels, batch), each rounded up.
template <int axes, Mode mode, typename T> __device__ void fast(const MienSampling &s) {
    const std::ptrdiff_t place = std::ptrdiff_t(blockIdx.x) * kBlock + threadIdx.x;
    if (place < std::ptrdiff_t(s.out_depth) * s.out_height * s.out_width) {
        const int first = blockIdx.y * kChannels;
        sample_place<axes, mode, T>(s, blockIdx.z, place, first, smaller(first + kChannels, s.channels));
    }
}

} // namespace
