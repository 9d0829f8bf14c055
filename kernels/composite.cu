// The composite on the device: crops over the plate, as RGB or NV12, in one pass. The pointers of MienComposite are the
// device's. Launch with (32, 8) threads; blocks are said at each kernel.
#include "composite.h"

using namespace mien;

namespace {

constexpr int kBlock = 32 * 8;
constexpr int kWide = 8; // pixels beside each other that a thread of the fast version writes at once

struct Bytes {
    std::uint8_t at[kWide];
};

__device__ void store(std::uint8_t *to, const Bytes &bytes) {
    uint2 word;
    memcpy(&word, bytes.at, sizeof word);
    *reinterpret_cast<uint2 *>(to) = word;
}

} // namespace

// A thread for each pixel. Blocks: (width / 32, height / 8, frames), rounded up.
extern "C" __global__ void __launch_bounds__(kBlock) composite_rgb(const MienComposite composite) {
    const int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
    if (x < composite.width && y < composite.height) {
        write_rgb(composite, blockIdx.z, y, x);
    }
}

// Naive: a thread for each two by two pixels. Blocks: (width / 64, height / 16, frames), rounded up.
extern "C" __global__ void __launch_bounds__(kBlock) composite_nv12_naive(const MienComposite composite) {
    const int x = 2 * (blockIdx.x * 32 + threadIdx.x), y = 2 * (blockIdx.y * 8 + threadIdx.y);
    if (x < composite.width && y < composite.height) {
        write_nv12(composite, blockIdx.z, y, x);
    }
}

// Fast: a thread for eight by two pixels, which are three stores of eight bytes. The width is a multiple of eight.
// Blocks: (width / 256, height / 16, frames), rounded up.
extern "C" __global__ void __launch_bounds__(kBlock) composite_nv12_fast(const MienComposite composite) {
    const MienComposite &c = composite;
    const int x = kWide * (blockIdx.x * 32 + threadIdx.x), y = 2 * (blockIdx.y * 8 + threadIdx.y), frame = blockIdx.z;
    if (x >= c.width || y >= c.height) {
        return;
    }
    Bytes light[2], colour;
    for (int pair = 0; pair < kWide; pair += 2) {
        float blue = 0, red = 0;
        for (int i = 0; i < 4; ++i) {
            const int row = i / 2, column = pair + i % 2;
            const Colour found = composite_at(c, frame, y + row, x + column);
            light[row].at[column] = std::uint8_t(to_byte(luma(found)));
            blue += blue_difference(found);
            red += red_difference(found);
        }
        colour.at[pair] = std::uint8_t(to_byte(blue / 4));
        colour.at[pair + 1] = std::uint8_t(to_byte(red / 4));
    }
    const std::ptrdiff_t line = std::ptrdiff_t(frame) * c.height + y;
    store(c.luma + line * c.width + x, light[0]);
    store(c.luma + (line + 1) * c.width + x, light[1]);
    store(c.colour + line / 2 * c.width + x, colour);
}
