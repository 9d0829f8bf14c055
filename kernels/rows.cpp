#include "rows.h"

#include <algorithm>
#include <cstddef>

namespace mien {
namespace {

MIEN_CLONES void mix(const float *__restrict a, const float *__restrict b, float share, int count,
                     float *__restrict out) {
    for (int i = 0; i < count; ++i) {
        out[i] = a[i] + share * (b[i] - a[i]);
    }
}

MIEN_CLONES void locate(const float *__restrict x, const float *__restrict y, int height, int width, int count,
                        int *__restrict first, float *__restrict right, float *__restrict below) {
    const float high_x = float(width - 1), high_y = float(height - 1);
    for (int i = 0; i < count; ++i) {
        const float inside_x = clamp_to(x[i], high_x), inside_y = clamp_to(y[i], high_y);
        const int x0 = int(inside_x), y0 = int(inside_y);
        first[i] = packed_index(x0, y0, stride_of(width));
        right[i] = inside_x - float(x0);
        below[i] = inside_y - float(y0);
    }
}

// The four shares of each place that is so far behind the second pixel -> 4 x width.
MIEN_CLONES void share_out(const float *__restrict behind, int count, std::size_t width, float *__restrict shares) {
    float *__restrict first = shares, *__restrict second = first + width;
    float *__restrict third = second + width, *__restrict last = third + width;
    for (int i = 0; i < count; ++i) {
        const CubicShares found = cubic_shares(behind[i]);
        first[i] = found.of[0];
        second[i] = found.of[1];
        third[i] = found.of[2];
        last[i] = found.of[3];
    }
}

// Four pixels of `lay_over`; reads and writes 16 bytes of which the last four belong to the pixels after them.
MIEN_INLINE void lay_four(const float *drawn, const std::uint8_t *behind, std::uint8_t *out) {
    const f16 person = load<f16>(drawn);
    const f16 alpha = MIEN_SHUFFLE(person, i16, 3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15);
    const u16 apart = MIEN_SHUFFLE(load<u16>(behind), u16, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
    const u16 bytes = to_bytes(person + (1.0f - alpha) * from_bytes(apart));
    store(out, MIEN_SHUFFLE(bytes, u16, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15));
}

MIEN_CLONES void lay_row(const float *__restrict drawn, const std::uint8_t *__restrict behind, int width,
                         std::uint8_t *__restrict out) {
    int i = 0;
    for (; i + 6 <= width; i += 4) { // 16 bytes are five pixels and a third
        lay_four(drawn + 4 * i, behind + 3 * i, out + 3 * i);
    }
    while (i < width) {
        const int count = smaller(4, width - i);
        float pixels[16] = {};
        std::uint8_t background[16] = {}, bytes[16];
        std::memcpy(pixels, drawn + 4 * i, sizeof(float) * 4 * count);
        std::memcpy(background, behind + 3 * i, 3 * count);
        lay_four(pixels, background, bytes);
        std::memcpy(out + 3 * i, bytes, 3 * count);
        i += count;
    }
}

} // namespace

void lay_over(const float *drawn, const std::uint8_t *behind, int width, std::uint8_t *out) {
    lay_row(drawn, behind, width, out);
}

Enlarged::Enlarged(const float *coarse, int rows, int columns, int channels, float first, float step, int width)
    : coarse_(coarse), rows_(rows), columns_(columns), channels_(channels), width_(width), node_(width), share_(width),
      upper_(std::size_t(channels) * width), lower_(std::size_t(channels) * width) {
    for (int i = 0; i < width; ++i) {
        const float at = clamp_to(first + float(i) * step, float(columns - 1));
        node_[i] = std::min(int(at), columns - 2);
        share_[i] = at - float(node_[i]);
    }
}

void Enlarged::read(float row, float *out) {
    const float at = clamp_to(row, float(rows_ - 1));
    const int low = std::min(int(at), rows_ - 2);
    if (low != low_) {
        if (low == low_ + 1) {
            std::swap(upper_, lower_);
        } else {
            stretch(low, upper_.data());
        }
        stretch(low + 1, lower_.data());
        low_ = low;
    }
    mix(upper_.data(), lower_.data(), at - float(low), channels_ * width_, out);
}

void Enlarged::stretch(int row, float *out) const {
    const float *nodes = coarse_ + std::size_t(row) * columns_ * 4;
    for (int i = 0; i < width_; ++i) {
        const float *left = nodes + node_[i] * 4;
        for (int c = 0; c < channels_; ++c) {
            out[c * width_ + i] = left[c] + share_[i] * (left[c + 4] - left[c]);
        }
    }
}

void Spots::find(const float *x, const float *y, int count, const MienImages &image) {
    locate(x, y, image.height, image.width, count, first.data(), right.data(), below.data());
    share_out(below.data(), count, first.size(), shares.data());
    share_out(right.data(), count, first.size(), shares.data() + 4 * first.size());
}

} // namespace mien
