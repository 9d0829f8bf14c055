// Plants ramps, which bilinear sampling must give back exactly, and asks for places inside and outside.
#include "warp_sample.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

namespace {
constexpr int kHeight = 37, kWidth = 53;
constexpr float kTolerance = 1e-4f; // float32 rounding of values up to 90

std::vector<float> ramps() {
    std::vector<float> image;
    for (int y = 0; y < kHeight; ++y) {
        for (int x = 0; x < kWidth; ++x) {
            image.insert(image.end(), {float(x), float(y), float(x + y), 1.0f});
        }
    }
    return image;
}
} // namespace

int main() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> xy = {0.0f, 0.0f,  10.25f, 20.75f, kWidth - 1.0f, kHeight - 1.0f, -3.0f, 5.5f,
                                   7.5f, 99.0f, 60.0f,  -8.0f,  0.001f,        35.999f,        nan,   nan};
    const int count = static_cast<int>(xy.size() / 2);
    std::vector<float> output(4 * count, -1.0f);
    mien_warp_sample(ramps().data(), kHeight, kWidth, xy.data(), count, output.data());

    int wrong = 0;
    for (int i = 0; i < count; ++i) {
        const float x = std::isnan(xy[2 * i]) ? 0.0f : std::clamp(xy[2 * i], 0.0f, kWidth - 1.0f);
        const float y = std::isnan(xy[2 * i + 1]) ? 0.0f : std::clamp(xy[2 * i + 1], 0.0f, kHeight - 1.0f);
        const float expected[4] = {x, y, x + y, 1.0f};
        for (int c = 0; c < 4; ++c) {
            if (!(std::fabs(output[4 * i + c] - expected[c]) <= kTolerance)) {
                std::printf("place %d, channel %d: %g, expected %g\n", i, c, output[4 * i + c], expected[c]);
                ++wrong;
            }
        }
    }
    return wrong == 0 ? 0 : 1;
}
