// The layered warp on the device. The pointers of MienWarp are the device's; `drawn` may be a part of a picture.
//
// First `displace` for each of the seven fields, then either `invert` and `draw_frames` (naive) or `warp_frames` (fast),
// and `cover_patch` and `finish_patch` for each patch. Launch with kBlock threads in x unless it says otherwise.
#include "device.cuh"

using namespace mien;

namespace {

constexpr int kBlock = 256;
constexpr int kTileX = 32, kTileY = 8; // pixels of a block that draws
constexpr int kNodesX = 12, kNodesY = 8; // of the coarse lattice at most under a tile, for nodes 4 pixels apart or more
constexpr int kIterations = 10;

// A lattice on which a displacement is known: moved is frames x rows x columns x 2, pixels; the box's size in pixels.
struct Known {
    const float *moved;
    int rows, columns;
    float width, height;

    __device__ float2 at(int frame, int i, int j) const {
        const std::ptrdiff_t row = std::ptrdiff_t(frame) * rows + clamp_index(i, rows);
        const float2 found = reinterpret_cast<const float2 *>(moved)[row * columns + clamp_index(j, columns)];
        return {found.x * 2 / width, found.y * 2 / height}; // the box reaches from -1 to 1
    }
};

// Where the skin at node (i, j) comes from less the node, pixels. All of it stays in registers.
__device__ float2 source_of(const Known &known, int frame, int i, int j) {
    const float per_column = float(known.columns - 1) / 2, per_row = float(known.rows - 1) / 2;
    const float reach = 1 / per_column;
    const float2 first = known.at(frame, i, j);
    float x = -first.x, y = -first.y;
    for (int iteration = 0; iteration < kIterations; ++iteration) {
        const Corners c = corners_at(float(j) + x * per_column, float(i) + y * per_row, known.rows, known.columns);
        float found[6] = {};
        for (int corner = 0; corner < 4; ++corner) {
            const int column = corner % 2 ? c.x1 : c.x0, row = corner / 2 ? c.y1 : c.y0;
            const float share = (corner % 2 ? c.right : 1 - c.right) * (corner / 2 ? c.below : 1 - c.below);
            const float2 here = known.at(frame, row, column);
            const float2 left = known.at(frame, row, column - 1), right = known.at(frame, row, column + 1);
            const float2 above = known.at(frame, row - 1, column), below = known.at(frame, row + 1, column);
            const float values[6] = {here.x,
                                     here.y,
                                     (right.x - left.x) / 2 * per_column + 1,
                                     (right.y - left.y) / 2 * per_column,
                                     (below.x - above.x) / 2 * per_row,
                                     (below.y - above.y) / 2 * per_row + 1};
            for (int k = 0; k < 6; ++k) {
                found[k] += share * values[k];
            }
        }
        const Step step = newton_step(x + found[0], y + found[1], found[2], found[3], found[4], found[5], reach);
        x -= step.x;
        y -= step.y;
    }
    return {x * known.width / 2, y * known.height / 2};
}

// The sum of maps (count x nodes), times strengths (frames x count), where skin comes from that ends `offset` away at
// a node, pixels.
__device__ float sum_of(const float *strengths, const float *maps, int count, const Known &known, int frame, int i,
                        int j, float2 offset) {
    const float x = float(j) + offset.x / known.width * float(known.columns - 1);
    const float y = float(i) + offset.y / known.height * float(known.rows - 1);
    float sum = 0;
    for (int k = 0; k < count; ++k) {
        const float *plane = maps + std::ptrdiff_t(k) * known.rows * known.columns;
        sum += strengths[frame * count + k] * sample_plane(plane, known.rows, known.columns, x, y);
    }
    return sum;
}

// How strongly skin folds, and by which share it is in brighter light.
__device__ float2 shading_of(const MienWarp &w, const Known &known, int frame, int i, int j, float2 offset) {
    return {sum_of(w.folds, w.fold_regions, w.regions, known, frame, i, j, offset),
            sum_of(w.light, w.light_maps, w.terms, known, frame, i, j, offset)};
}

// Lays the person over one pixel of the crop; x and y are where that skin comes from.
__device__ void draw_pixel(const MienWarp &w, int frame, int row, int column, float x, float y, float strength, float light) {
    const std::ptrdiff_t line = (w.backs > 1 ? std::ptrdiff_t(frame) * w.source.height : 0) + row;
    std::uint8_t *out = w.drawn + frame * w.drawn_frame + row * w.drawn_row + 3 * column;
    lay_over(person_at(w, x, y, strength, light), w.behind + (line * w.source.width + column) * 3, out);
}

} // namespace

// Naive: a thread for each node. functions (nodes x count), coefficients (frames x count x 2) -> moved (frames x nodes x
// 2), pixels. Blocks: (nodes / kBlock rounded up, frames).
extern "C" __global__ void __launch_bounds__(kBlock)
    displace_naive(const float *functions, const float2 *coefficients, int nodes, int count, float2 *moved) {
    const int node = blockIdx.x * kBlock + threadIdx.x, frame = blockIdx.y;
    if (node >= nodes) {
        return;
    }
    float2 sum = {};
    for (int k = 0; k < count; ++k) {
        const float value = functions[std::ptrdiff_t(node) * count + k];
        const float2 by = coefficients[std::ptrdiff_t(frame) * count + k];
        sum = {sum.x + value * by.x, sum.y + value * by.y};
    }
    moved[std::ptrdiff_t(frame) * nodes + node] = sum;
}

// Fast: a warp for each node reads its functions once, side by side, for eight frames. Blocks: (nodes / 8, frames / 8),
// rounded up.
extern "C" __global__ void __launch_bounds__(kBlock) displace_fast(const float *functions, const float2 *coefficients,
                                                                   int nodes, int count, int frames, float2 *moved) {
    constexpr int kFrames = 8;
    const int node = blockIdx.x * (kBlock / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    const int first = blockIdx.y * kFrames, here = smaller(kFrames, frames - first);
    if (node >= nodes) {
        return;
    }
    float2 sums[kFrames] = {};
    for (int k = lane; k < count; k += 32) {
        const float value = functions[std::ptrdiff_t(node) * count + k];
        for (int t = 0; t < kFrames; ++t) {
            if (t < here) {
                const float2 by = coefficients[std::ptrdiff_t(first + t) * count + k];
                sums[t] = {sums[t].x + value * by.x, sums[t].y + value * by.y};
            }
        }
    }
    for (int t = 0; t < kFrames; ++t) {
        for (int other = 16; other > 0; other /= 2) {
            sums[t].x += __shfl_down_sync(~0u, sums[t].x, other);
            sums[t].y += __shfl_down_sync(~0u, sums[t].y, other);
        }
        if (lane == 0 && t < here) {
            moved[std::ptrdiff_t(first + t) * nodes + node] = sums[t];
        }
    }
}

// moved -> coarse (frames x nodes x 4): offsets in pixels, folds and light; these are 0 for grids of patches.
// Blocks: (nodes / kBlock rounded up, frames). width and height are the box's.
extern "C" __global__ void __launch_bounds__(kBlock)
    invert(const MienWarp w, const float *moved, int rows, int columns, float width, float height, int shade, float *coarse) {
    const int node = blockIdx.x * kBlock + threadIdx.x, frame = blockIdx.y;
    if (node >= rows * columns) {
        return;
    }
    const Known known = {moved, rows, columns, width, height};
    const int i = node / columns, j = node % columns;
    const float2 offset = source_of(known, frame, i, j);
    float *out = coarse + (std::ptrdiff_t(frame) * rows * columns + node) * 4;
    out[0] = offset.x;
    out[1] = offset.y;
    const float2 shading = shade ? shading_of(w, known, frame, i, j, offset) : float2{0, 0};
    out[2] = shading.x;
    out[3] = shading.y;
}

// Naive: a thread for each pixel of the crop, from `coarse` of `invert`. Threads (kTileX, kTileY); blocks: (width /
// kTileX, height / kTileY, frames), rounded up.
extern "C" __global__ void __launch_bounds__(kTileX *kTileY) draw_frames(const MienWarp w, const float *coarse) {
    const int column = blockIdx.x * kTileX + threadIdx.x, row = blockIdx.y * kTileY + threadIdx.y, frame = blockIdx.z;
    if (column >= w.source.width || row >= w.source.height) {
        return;
    }
    const float x = float(column) * float(w.base.columns - 1) / float(w.source.width - 1);
    const float y = float(row) * float(w.base.rows - 1) / float(w.source.height - 1);
    const float4 from = coarse_at(coarse, frame, w.base.rows, w.base.columns, x, y);
    draw_pixel(w, frame, row, column, float(column) + from.x, float(row) + from.y, from.z, from.w);
}

// Fast: `invert` and `draw_frames` at once. A block inverts the few nodes around its tile, which never leave it.
// Launch as `draw_frames`; nodes are at least 4 pixels apart.
extern "C" __global__ void __launch_bounds__(kTileX *kTileY) warp_frames(const MienWarp w, const float *moved) {
    __shared__ float nodes[kNodesY * kNodesX * 4];
    const int column = blockIdx.x * kTileX + threadIdx.x, row = blockIdx.y * kTileY + threadIdx.y, frame = blockIdx.z;
    const Known known = {moved, w.base.rows, w.base.columns, float(w.source.width - 1), float(w.source.height - 1)};
    const float per_x = float(known.columns - 1) / known.width, per_y = float(known.rows - 1) / known.height;
    const int first_j = int(float(blockIdx.x * kTileX) * per_x), first_i = int(float(blockIdx.y * kTileY) * per_y);
    for (int n = threadIdx.y * kTileX + threadIdx.x; n < kNodesY * kNodesX; n += kTileX * kTileY) {
        const int i = first_i + n / kNodesX, j = first_j + n % kNodesX;
        if (i < known.rows && j < known.columns) {
            const float2 offset = source_of(known, frame, i, j);
            const float2 shading = shading_of(w, known, frame, i, j, offset);
            nodes[4 * n] = offset.x;
            nodes[4 * n + 1] = offset.y;
            nodes[4 * n + 2] = shading.x;
            nodes[4 * n + 3] = shading.y;
        }
    }
    __syncthreads();
    if (column >= w.source.width || row >= w.source.height) {
        return;
    }
    const int rows = smaller(kNodesY, known.rows - first_i), columns = smaller(kNodesX, known.columns - first_j);
    const float x = float(column) * per_x - float(first_j), y = float(row) * per_y - float(first_i);
    const Corners c = corners_at(x, y, rows, columns);
    float from[4];
    for (int k = 0; k < 4; ++k) {
        const auto node = [&](int i, int j) { return nodes[(i * kNodesX + j) * 4 + k]; };
        const float above = node(c.y0, c.x0) + c.right * (node(c.y0, c.x1) - node(c.y0, c.x0));
        const float beneath = node(c.y1, c.x0) + c.right * (node(c.y1, c.x1) - node(c.y1, c.x0));
        from[k] = above + c.below * (beneath - above);
    }
    draw_pixel(w, frame, row, column, float(column) + from[0], float(row) + from[1], from[2], from[3]);
}
