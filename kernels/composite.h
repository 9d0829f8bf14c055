// One pixel of the composite: crops over the plate, and its luma and colour differences.
#pragma once

#include "maths.h"
#include "native.h"

namespace mien {

struct Colour {
    float r, g, b;
};

// To the nearest of 0 to 255, halves to even. NaN becomes 0.
MIEN_HD float to_byte(float value) { return nearbyintf(clamp_to(value, 255.0f)); }

// The picture at a pixel of one frame, in whole grey levels.
MIEN_HD Colour composite_at(const MienComposite &c, int frame, int y, int x) {
    const std::uint8_t *plate = c.plate + (std::ptrdiff_t(y) * c.width + x) * 3;
    Colour found = {float(plate[0]), float(plate[1]), float(plate[2])};
    for (int i = 0; i < c.count; ++i) {
        const MienCrop &crop = c.crops[i];
        const int row = y - crop.y0, column = x - crop.x0;
        if (row < 0 || row >= crop.height || column < 0 || column >= crop.width) {
            continue;
        }
        const float *pixel = crop.pixels + ((std::ptrdiff_t(frame) * crop.height + row) * crop.width + column) * 4;
        const float through = 1.0f - pixel[3];
        found = {pixel[0] + through * found.r, pixel[1] + through * found.g, pixel[2] + through * found.b};
    }
    return {to_byte(found.r), to_byte(found.g), to_byte(found.b)};
}

// BT.709 in limited range, 16 to 235 and 16 to 240.
MIEN_HD float luma(const Colour &c) {
    return 16.0f + 219.0f / 255 * (0.2126f * c.r + 0.7152f * c.g + 0.0722f * c.b);
}
MIEN_HD float blue_difference(const Colour &c) {
    return 128.0f + 224.0f / 255 * (0.5f * c.b - 0.2126f / 1.8556f * c.r - 0.7152f / 1.8556f * c.g);
}
MIEN_HD float red_difference(const Colour &c) {
    return 128.0f + 224.0f / 255 * (0.5f * c.r - 0.7152f / 1.5748f * c.g - 0.0722f / 1.5748f * c.b);
}

// Writes a pixel of the RGB picture.
MIEN_HD void write_rgb(const MienComposite &c, int frame, int y, int x) {
    const Colour found = composite_at(c, frame, y, x);
    std::uint8_t *out = c.rgb + ((std::ptrdiff_t(frame) * c.height + y) * c.width + x) * 3;
    out[0] = std::uint8_t(found.r);
    out[1] = std::uint8_t(found.g);
    out[2] = std::uint8_t(found.b);
}

// Writes the two by two pixels of the NV12 picture that share a colour; y and x are even.
MIEN_HD void write_nv12(const MienComposite &c, int frame, int y, int x) {
    float blue = 0, red = 0;
    for (int i = 0; i < 4; ++i) {
        const int row = y + i / 2, column = x + i % 2;
        const Colour found = composite_at(c, frame, row, column);
        c.luma[(std::ptrdiff_t(frame) * c.height + row) * c.width + column] = std::uint8_t(to_byte(luma(found)));
        blue += blue_difference(found);
        red += red_difference(found);
    }
    std::uint8_t *out = c.colour + (std::ptrdiff_t(frame) * (c.height / 2) + y / 2) * c.width + x;
    out[0] = std::uint8_t(to_byte(blue / 4));
    out[1] = std::uint8_t(to_byte(red / 4));
}

} // namespace mien
