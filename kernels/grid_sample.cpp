// grid_sample on the host. The image is turned to channels last, so that one place's channels are read at once.
#include "grid_sample.h"

#include "native.h"
#include "parallel.h"
#include "simd.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

namespace mien {
namespace {

constexpr int kPlacesOfWork = 256; // places of the grid that a thread takes at once

std::size_t pixels_of(const MienSampling &s) { return std::size_t(s.depth) * s.height * s.width; }
std::size_t places_of(const MienSampling &s) { return std::size_t(s.out_depth) * s.out_height * s.out_width; }

MIEN_CLONES void channels_last(const float *image, std::size_t pixels, int channels, float *out) {
    for (int c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i < pixels; ++i) {
            out[i * channels + c] = image[c * pixels + i];
        }
    }
}

MIEN_INLINE void add(const float *__restrict pixel, float share, int channels, float *__restrict sums) {
    for (int c = 0; c < channels; ++c) {
        sums[c] += share * pixel[c];
    }
}

template <Mode mode, int axes>
MIEN_INLINE void sample_places(const MienSampling &s, const float *image, const float *grid, int count, float *sums) {
    constexpr int taps = taps_of(mode);
    const Padding padding = Padding(s.padding);
    const bool align = s.align_corners != 0;
    for (int i = 0; i < count; ++i, grid += axes, sums += s.channels) {
        const auto x = axis_taps<mode>(grid[0], s.width, padding, align);
        const auto y = axis_taps<mode>(grid[1], s.height, padding, align);
        auto z = axis_taps<mode>(axes == 3 ? grid[2] : 0.0f, s.depth, padding, align);
        for (int k = 0; k < (axes == 3 ? taps : 1); ++k) {
            for (int j = 0; j < taps; ++j) {
                const float share = axes == 3 ? z.share[k] * y.share[j] : y.share[j];
                const std::size_t row = (std::size_t(axes == 3 ? z.at[k] : 0) * s.height + y.at[j]) * s.width;
                for (int t = 0; t < taps; ++t) {
                    add(image + (row + x.at[t]) * s.channels, share * x.share[t], s.channels, sums);
                }
            }
        }
    }
}

MIEN_CLONES void sample_block(const MienSampling &s, const float *image, const float *grid, int count, float *sums) {
    if (s.axes == 3) {
        return s.mode == kNearest ? sample_places<kNearest, 3>(s, image, grid, count, sums)
                                  : sample_places<kBilinear, 3>(s, image, grid, count, sums);
    }
    switch (s.mode) {
    case kNearest:
        return sample_places<kNearest, 2>(s, image, grid, count, sums);
    case kBilinear:
        return sample_places<kBilinear, 2>(s, image, grid, count, sums);
    default:
        return sample_places<kBicubic, 2>(s, image, grid, count, sums);
    }
}

void sample_all(const MienSampling &s, int threads) {
    const std::size_t pixels = pixels_of(s), places = places_of(s), image_size = pixels * s.channels;
    std::vector<float> images(image_size * s.images);
    parallel_for(threads, s.images, [&](int n) {
        channels_last(s.image + n * image_size, pixels, s.channels, images.data() + n * image_size);
    });
    const int blocks = int((places + kPlacesOfWork - 1) / kPlacesOfWork);
    parallel_for(threads, s.batch * blocks, [&](int i) {
        const int n = i / blocks;
        const std::size_t first = std::size_t(i % blocks) * kPlacesOfWork;
        const int count = int(std::min<std::size_t>(kPlacesOfWork, places - first));
        std::vector<float> sums(std::size_t(count) * s.channels, 0.0f);
        const float *image = images.data() + (s.images > 1 ? n * image_size : 0);
        sample_block(s, image, s.grid + (n * places + first) * s.axes, count, sums.data());
        for (int c = 0; c < s.channels; ++c) {
            float *out = s.out + (std::size_t(n) * s.channels + c) * places + first;
            for (int k = 0; k < count; ++k) {
                out[k] = sums[std::size_t(k) * s.channels + c];
            }
        }
    });
}

} // namespace
} // namespace mien

extern "C" int mien_grid_sample(const MienSampling *sampling, int threads) {
    const MienSampling &s = *sampling;
    const bool known = s.mode >= 0 && s.mode <= 2 && s.padding >= 0 && s.padding <= 2 && (s.axes == 2 || s.axes == 3);
    if (!known || (s.axes == 3 && s.mode == mien::kBicubic) || mien::pixels_of(s) == 0) {
        return 2;
    }
    try {
        mien::sample_all(s, threads);
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
