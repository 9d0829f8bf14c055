// A picture laid over frames, moved in each by a map of its own: glasses, which follow the skull.
#include "maths.h"

#include <cstdint>

using namespace mien;

struct Layer {
    const float *pixels; // height x width x 4, colours premultiplied with alpha
    std::int32_t height, width;
    const float *maps; // frames x 2 x 3: pixels of the box -> of the layer
    std::uint8_t *box; // of frames that lie apart by frame_bytes, and its rows by row_bytes
    std::int64_t frame_bytes, row_bytes;
    std::int32_t box_height, box_width;
};

// Beyond its border the layer is nothing. Blocks: (box_width / 32, box_height / 8, frames), rounded up; (32, 8) threads.
extern "C" __global__ void __launch_bounds__(256) lay_layer(const Layer layer) {
    const int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
    if (x >= layer.box_width || y >= layer.box_height) {
        return;
    }
    const float *map = layer.maps + 6 * blockIdx.z;
    const float from_x = map[0] * float(x) + map[1] * float(y) + map[2];
    const float from_y = map[3] * float(x) + map[4] * float(y) + map[5];
    if (!(from_x > -1 && from_y > -1 && from_x < float(layer.width) && from_y < float(layer.height))) {
        return;
    }
    const int column = int(floorf(from_x)), row = int(floorf(from_y));
    const float right = from_x - float(column), below = from_y - float(row);
    float found[4] = {};
    for (int corner = 0; corner < 4; ++corner) {
        const int i = column + corner % 2, j = row + corner / 2;
        if (i < 0 || j < 0 || i >= layer.width || j >= layer.height) {
            continue;
        }
        const float share = (corner % 2 ? right : 1 - right) * (corner / 2 ? below : 1 - below);
        for (int channel = 0; channel < 4; ++channel) {
            found[channel] += share * layer.pixels[(std::ptrdiff_t(j) * layer.width + i) * 4 + channel];
        }
    }
    std::uint8_t *out = layer.box + blockIdx.z * layer.frame_bytes + y * layer.row_bytes + x * 3;
    for (int channel = 0; channel < 3; ++channel) {
        const float value = found[channel] + (1 - found[3]) * float(out[channel]);
        out[channel] = std::uint8_t(nearbyintf(clamp_to(value, 255.0f)));
    }
}
