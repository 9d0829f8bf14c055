#include "fields.h"

#include "maths.h"
#include "simd.h"

#include <algorithm>
#include <cstddef>

namespace mien {
namespace {

constexpr int kIterations = 10;
constexpr float kSettled = 1e-4f; // of the way to the next node: what is left is a small part of such a last step
constexpr int kRowsAtOnce = 4;    // of the functions; each is a chain of additions, and the adder works on four

// rows is kRowsAtOnce but for the last nodes.
template <int rows>
MIEN_INLINE void multiply(const float *functions, const float *coefficients, int count, float *moved) {
    constexpr int wide = sizeof(fwide) / sizeof(float), vectors = kLanes / wide;
    fwide sums[rows][vectors] = {};
    for (int k = 0; k < count; ++k) {
        fwide column[vectors];
        for (int v = 0; v < vectors; ++v) {
            column[v] = load<fwide>(coefficients + std::size_t(k) * kLanes + v * wide);
        }
        for (int row = 0; row < rows; ++row) {
            for (int v = 0; v < vectors; ++v) {
                sums[row][v] += functions[std::size_t(row) * count + k] * column[v];
            }
        }
    }
    for (int row = 0; row < rows; ++row) {
        for (int v = 0; v < vectors; ++v) {
            store(moved + row * kLanes + v * wide, sums[row][v]);
        }
    }
}

MIEN_CLONES void multiply_all(const float *functions, const float *coefficients, int count, int nodes, float *moved) {
    int node = 0;
    for (; node + kRowsAtOnce <= nodes; node += kRowsAtOnce) {
        multiply<kRowsAtOnce>(functions + std::size_t(node) * count, coefficients, count, moved + node * kLanes);
    }
    for (; node < nodes; ++node) {
        multiply<1>(functions + std::size_t(node) * count, coefficients, count, moved + node * kLanes);
    }
}

// The field of one frame in units of the box, and how a place moves with its own: 8 floats a node, two of them unused.
MIEN_CLONES void with_slopes(const Field &field, int frame, float *known) {
    const int rows = field.grid.rows, columns = field.grid.columns;
    const float *moved = field.moved.data() + 2 * frame;
    const float per_x = field.half_inverse[0], per_y = field.half_inverse[1];
    const float half_columns = float(columns - 1) / 4, half_rows = float(rows - 1) / 4;
    for (int i = 0; i < rows; ++i) {
        const int above = std::max(i - 1, 0) * columns, below = std::min(i + 1, rows - 1) * columns;
        for (int j = 0; j < columns; ++j) {
            const auto at = [&](int node, int axis) { return moved[std::size_t(node) * kLanes + axis]; };
            const int node = i * columns + j;
            const int left = i * columns + std::max(j - 1, 0), right = i * columns + std::min(j + 1, columns - 1);
            float *to = known + std::size_t(node) * 8;
            to[0] = at(node, 0) * per_x;
            to[1] = at(node, 1) * per_y;
            to[2] = (at(right, 0) - at(left, 0)) * per_x * half_columns + 1;
            to[3] = (at(right, 1) - at(left, 1)) * per_y * half_columns;
            to[4] = (at(below + j, 0) - at(above + j, 0)) * per_x * half_rows;
            to[5] = (at(below + j, 1) - at(above + j, 1)) * per_y * half_rows + 1;
            to[6] = to[7] = 0;
        }
    }
}

// One step for each node of `active`; those that still move stay in it. offset: nodes x 4, units of the box.
MIEN_CLONES int iterate(const float *known, int rows, int columns, float *offset, int *active, int count) {
    const float reach = 2.0f / float(columns - 1); // a step ends at the next node: beyond, slopes are others
    const float limit = reach * reach * kSettled * kSettled;
    const float per_column = float(columns - 1) / 2, per_row = float(rows - 1) / 2;
    int left = 0;
    for (int n = 0; n < count; ++n) {
        const int node = active[n], i = node / columns, j = node - i * columns;
        float *at = offset + std::size_t(node) * 4;
        const float x = at[0], y = at[1];
        const Corners c = corners_at(float(j) + x * per_column, float(i) + y * per_row, rows, columns);
        const float *top = known + std::size_t(c.y0) * columns * 8, *bottom = known + std::size_t(c.y1) * columns * 8;
        const f8 top_left = load<f8>(top + c.x0 * 8), top_right = load<f8>(top + c.x1 * 8);
        const f8 bottom_left = load<f8>(bottom + c.x0 * 8), bottom_right = load<f8>(bottom + c.x1 * 8);
        const f8 above = top_left + c.right * (top_right - top_left);
        const f8 beneath = bottom_left + c.right * (bottom_right - bottom_left);
        const f8 f = above + c.below * (beneath - above);
        const Step step = newton_step(x + f[0], y + f[1], f[2], f[3], f[4], f[5], reach);
        at[0] = x - step.x;
        at[1] = y - step.y;
        active[left] = node;
        left += step.x * step.x + step.y * step.y > limit;
    }
    return left;
}

} // namespace

Field::Field(const MienGrid &grid, float width, float height)
    : grid(grid), half_inverse{2 / width, 2 / height}, moved(std::size_t(nodes()) * kLanes),
      source(std::size_t(nodes()) * 4 * kFramesAtOnce) {}

void displace(Field &field, const float *coefficients, int count, int first, int last) {
    const float *functions = field.grid.functions + std::size_t(first) * count;
    multiply_all(functions, coefficients, count, last - first, field.moved.data() + std::size_t(first) * kLanes);
}

void invert(Field &field, int frame) {
    const int nodes = field.nodes();
    std::vector<float> known(std::size_t(nodes) * 8);
    with_slopes(field, frame, known.data());
    std::vector<int> active(nodes);
    float *offset = field.source_of(frame);
    for (int node = 0; node < nodes; ++node) {
        active[node] = node;
        offset[4 * node] = -known[8 * node];
        offset[4 * node + 1] = -known[8 * node + 1];
    }
    int count = nodes;
    for (int i = 0; i < kIterations && count > 0; ++i) {
        count = iterate(known.data(), field.grid.rows, field.grid.columns, offset, active.data(), count);
    }
    for (int node = 0; node < nodes; ++node) {
        offset[4 * node] /= field.half_inverse[0];
        offset[4 * node + 1] /= field.half_inverse[1];
    }
}

void add_shading(Field &field, int frame, int channel, const float *strengths, const float *maps, int count) {
    const int rows = field.grid.rows, columns = field.grid.columns, nodes = field.nodes();
    std::vector<float> strength(nodes, 0.0f);
    for (int i = 0; i < count; ++i) {
        for (int node = 0; node < nodes; ++node) {
            strength[node] += strengths[i] * maps[std::size_t(i) * nodes + node];
        }
    }
    float *at = field.source_of(frame);
    const float per_column = field.half_inverse[0] * float(columns - 1) / 2;
    const float per_row = field.half_inverse[1] * float(rows - 1) / 2;
    for (int node = 0; node < nodes; ++node, at += 4) {
        const float x = float(node % columns) + at[0] * per_column, y = float(node / columns) + at[1] * per_row;
        at[channel] = sample_plane(strength.data(), rows, columns, x, y);
    }
}

} // namespace mien
