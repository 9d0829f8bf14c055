// A finished frame as an encoder wants it: planes of luma and, at half the size, of the two colour differences.
#include "composite.h"
#include "simd.h"

#include <new>
#include <vector>

namespace mien {
namespace {

struct Row {
    float *red, *green, *blue;
};

MIEN_CLONES void spread(const std::uint8_t *__restrict rgb, int width, float *__restrict red, float *__restrict green,
                        float *__restrict blue) {
    for (int x = 0; x < width; ++x) {
        red[x] = float(rgb[3 * x]);
        green[x] = float(rgb[3 * x + 1]);
        blue[x] = float(rgb[3 * x + 2]);
    }
}

MIEN_CLONES void write_luma(const float *__restrict red, const float *__restrict green, const float *__restrict blue,
                            int width, std::uint8_t *__restrict out) {
    for (int x = 0; x < width; ++x) {
        out[x] = std::uint8_t(int(luma({red[x], green[x], blue[x]}) + 0.5f));
    }
}

// The mean of two by two pixels: rows are added first, then neighbours.
MIEN_CLONES void average(const float *__restrict above, const float *__restrict below, int width,
                         float *__restrict out) {
    for (int x = 0; x < width / 2; ++x) {
        out[x] = 0.25f * (above[2 * x] + below[2 * x] + above[2 * x + 1] + below[2 * x + 1]);
    }
}

MIEN_CLONES void write_colour(const float *__restrict red, const float *__restrict green, const float *__restrict blue,
                              int count, std::uint8_t *__restrict out_blue, std::uint8_t *__restrict out_red) {
    for (int x = 0; x < count; ++x) {
        const Colour mean = {red[x], green[x], blue[x]};
        out_blue[x] = std::uint8_t(int(blue_difference(mean) + 0.5f));
        out_red[x] = std::uint8_t(int(red_difference(mean) + 0.5f));
    }
}

void convert(const MienPlanes &p) {
    std::vector<float> room(std::size_t(p.width) * 9);
    const auto row = [&](int i) {
        float *first = room.data() + std::ptrdiff_t(i) * 3 * p.width;
        return Row{first, first + p.width, first + 2 * p.width};
    };
    const Row above = row(0), below = row(1), mean = row(2);
    for (int y = 0; y < p.height; y += 2) {
        for (int i = 0; i < 2; ++i) {
            const Row &to = i ? below : above;
            spread(p.rgb + std::ptrdiff_t(y + i) * p.width * 3, p.width, to.red, to.green, to.blue);
            write_luma(to.red, to.green, to.blue, p.width, p.luma + std::ptrdiff_t(y + i) * p.luma_row);
        }
        average(above.red, below.red, p.width, mean.red);
        average(above.green, below.green, p.width, mean.green);
        average(above.blue, below.blue, p.width, mean.blue);
        const std::ptrdiff_t at = std::ptrdiff_t(y / 2) * p.colour_row;
        write_colour(mean.red, mean.green, mean.blue, p.width / 2, p.blue + at, p.red + at);
    }
}

} // namespace
} // namespace mien

extern "C" int mien_to_yuv420(const MienPlanes *planes) {
    if (planes->height % 2 || planes->width % 2) {
        return 2;
    }
    try {
        mien::convert(*planes);
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
