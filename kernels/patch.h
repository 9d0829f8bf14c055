// A place where skin tears: two skin layers, each with a field of its own, over what lies behind them.
#pragma once

#include "fields.h"
#include "native.h"

namespace mien {

struct Layers {
    const Field &base, &upper, &lower;
};

// Draws one frame of a patch; frame_of_field is its place in the fields.
void draw_patch(const MienWarp &warp, const MienPatch &patch, const Layers &layers, int frame, int frame_of_field);

} // namespace mien
