// Skin that gives way: engine/portrait/skin.py says what it does, and does the same in NumPy.
#include "native.h"
#include "simd.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace mien {
namespace {

// Rows of x and then of y, a value for each frame, of a pair's two points. Whether they asked for too much anywhere.
MIEN_CLONES bool push_apart(float *__restrict first, float *__restrict second, const float *shares, float along_x,
                            float along_y, float room, int frames) {
    int pushed = 0;
    for (int t = 0; t < frames; ++t) {
        const float x = second[t] - first[t], y = second[frames + t] - first[frames + t];
        const float stretch = std::max(x * along_x + y * along_y, 0.0f);
        const float over_x = x - stretch * along_x, over_y = y - stretch * along_y;
        const float size = std::sqrt(over_x * over_x + over_y * over_y);
        const float share = std::max(0.0f, 1.0f - room / std::max(size, 1e-6f));
        pushed |= size > room;
        first[t] += shares[0] * share * over_x;
        first[frames + t] += shares[0] * share * over_y;
        second[t] -= shares[1] * share * over_x;
        second[frames + t] -= shares[1] * share * over_y;
    }
    return pushed != 0;
}

} // namespace
} // namespace mien

extern "C" void mien_relax_skin(const MienSkin *skin) {
    const auto point = [skin](std::int32_t i) { return skin->found + std::ptrdiff_t(i) * 2 * skin->frames; };
    bool pushed = true;
    for (int round = 0; pushed && round < skin->rounds; ++round) {
        pushed = false;
        for (int i = 0; i < skin->count; ++i) {
            const std::int32_t *pair = skin->pairs + 2 * i;
            const float *along = skin->along + 2 * i;
            pushed |= mien::push_apart(point(pair[0]), point(pair[1]), skin->shares + 2 * i, along[0], along[1],
                                       skin->room[i], skin->frames);
        }
    }
}
