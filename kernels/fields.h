// The coarse half of the layered warp: from a field's coefficients to where the skin at each node comes from.
#pragma once

#include "native.h"

#include <vector>

namespace mien {

constexpr int kLanes = 16;               // x and y of the frames that one pass over the functions serves
constexpr int kFramesAtOnce = kLanes / 2;

// Nodes over a box of the crop, and what is found on them.
struct Field {
    MienGrid grid;
    float half_inverse[2];     // takes pixels to units in which the box reaches from -1 to 1
    std::vector<float> moved;  // nodes x kLanes: the displacement, pixels
    std::vector<float> source; // kFramesAtOnce x nodes x 4: where the node's skin comes from less the node, pixels;
                               // how strongly it folds there; by which share it is in brighter light

    Field(const MienGrid &grid, float width, float height);
    int nodes() const { return grid.rows * grid.columns; }
    float *source_of(int frame) { return source.data() + std::size_t(frame) * nodes() * 4; }
    const float *source_of(int frame) const { return source.data() + std::size_t(frame) * nodes() * 4; }
};

// Fills field.moved for nodes from `first` to before `last`: functions times coefficients (count x kLanes).
void displace(Field &field, const float *coefficients, int count, int first, int last);

// Fills field.source of one frame, except for the shading.
void invert(Field &field, int frame);

// Adds folds (channel 2) or light (3): strengths (count) times maps (count x nodes), read where the skin comes from.
void add_shading(Field &field, int frame, int channel, const float *strengths, const float *maps, int count);

} // namespace mien
