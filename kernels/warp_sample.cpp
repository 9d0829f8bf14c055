#include "warp_sample.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace {
constexpr int kChannels = 4;

// Written so that NaN becomes 0: a NaN would index outside of the image.
float clamp_to(float value, float high) { return value > 0.0f ? std::min(value, high) : 0.0f; }
} // namespace

extern "C" void mien_warp_sample(const float *image, int height, int width, const float *xy, int count, float *output) {
    if (height < 1 || width < 1) {
        return;
    }
    for (int i = 0; i < count; ++i) {
        const float x = clamp_to(xy[2 * static_cast<std::size_t>(i)], static_cast<float>(width - 1));
        const float y = clamp_to(xy[2 * static_cast<std::size_t>(i) + 1], static_cast<float>(height - 1));
        const int x0 = static_cast<int>(x), y0 = static_cast<int>(y);
        const int x1 = std::min(x0 + 1, width - 1), y1 = std::min(y0 + 1, height - 1);
        const float right = x - static_cast<float>(x0), below = y - static_cast<float>(y0);
        const auto pixel = [&](int row, int column) {
            return image + kChannels * (static_cast<std::size_t>(row) * width + column);
        };
        const float *top_left = pixel(y0, x0), *top_right = pixel(y0, x1);
        const float *bottom_left = pixel(y1, x0), *bottom_right = pixel(y1, x1);
        float *out = output + kChannels * static_cast<std::size_t>(i);
        for (int c = 0; c < kChannels; ++c) {
            const float top = top_left[c] + right * (top_right[c] - top_left[c]);
            const float bottom = bottom_left[c] + right * (bottom_right[c] - bottom_left[c]);
            out[c] = top + below * (bottom - top);
        }
    }
}
