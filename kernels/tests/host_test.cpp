// A first look at the host library, without Python: ramps that sampling must give back, and where work ends up.
// tests/test_kernels.py compares everything with the definitions.
#include "native.h"
#include "parallel.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <vector>

namespace {

constexpr int kHeight = 37, kWidth = 53;
constexpr float kTolerance = 1e-4f; // float32 rounding of values up to 90

int sampled_ramps() {
    std::vector<float> ramps;
    for (int channel = 0; channel < 2; ++channel) {
        for (int i = 0; i < kHeight * kWidth; ++i) {
            ramps.push_back(channel == 0 ? float(i % kWidth) : float(i / kWidth));
        }
    }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> pixels = {0, 0, 10.25f, 20.75f, kWidth - 1, kHeight - 1, -3, 5.5f, 7.5f, 99, nan, nan};
    const int count = int(pixels.size() / 2);
    std::vector<float> grid, out(2 * count, -1.0f);
    for (int i = 0; i < count; ++i) {
        grid.push_back(2 * pixels[2 * i] / (kWidth - 1) - 1);
        grid.push_back(2 * pixels[2 * i + 1] / (kHeight - 1) - 1);
    }
    MienSampling sampling = {};
    sampling.image = ramps.data();
    sampling.grid = grid.data();
    sampling.out = out.data();
    sampling.images = sampling.batch = sampling.depth = sampling.out_depth = sampling.out_height = 1;
    sampling.channels = sampling.axes = 2;
    sampling.height = kHeight;
    sampling.width = kWidth;
    sampling.out_width = count;
    sampling.padding = 1;
    sampling.align_corners = 1;
    int wrong = mien_grid_sample(&sampling, 2);
    for (int i = 0; i < count; ++i) {
        for (int axis = 0; axis < 2; ++axis) {
            const float last = axis == 0 ? kWidth - 1 : kHeight - 1, place = pixels[2 * i + axis];
            const float expected = std::isnan(place) ? 0 : std::fmin(std::fmax(place, 0), last);
            if (!(std::fabs(out[axis * count + i] - expected) <= kTolerance)) {
                std::printf("place %d, axis %d: %g, expected %g\n", i, axis, out[axis * count + i], expected);
                ++wrong;
            }
        }
    }
    return wrong;
}

int shared_out_work() {
    std::vector<int> done(1000, 0);
    mien::parallel_for(3, int(done.size()), [&](int i) { ++done[i]; });
    int wrong = 0;
    for (const int times : done) {
        wrong += times != 1;
    }
    try {
        mien::parallel_for(3, 10, [](int i) { i == 7 ? throw std::runtime_error("planted") : void(); });
        ++wrong;
    } catch (const std::runtime_error &) {
    }
    return wrong;
}

} // namespace

int main() { return sampled_ramps() + shared_out_work() == 0 ? 0 : 1; }
