// A place where skin tears, on the device: `cover_patch` draws the two skin layers, `finish_patch` what lies behind them
// and the background. Both are a thread for each pixel: launch with (kTileX, kTileY) threads, and (width / kTileX,
// height / kTileY, frames) blocks, rounded up.
#include "device.cuh"

using namespace mien;

namespace {

constexpr int kTileX = 32, kTileY = 8;
constexpr int kReach = 16; // pixels of shade to each side that a block has room for

// A pixel of the patch, and where it is in the crop.
struct Pixel {
    int frame, row, column;
    float x, y;
    bool inside;
    std::ptrdiff_t index; // of the pixel among all frames'

    __device__ explicit Pixel(const MienPatch &p)
        : frame(blockIdx.z), row(blockIdx.y * kTileY + threadIdx.y), column(blockIdx.x * kTileX + threadIdx.x),
          x(p.box[0] + float(column) * (p.box[2] - p.box[0]) / float(p.width - 1)),
          y(p.box[1] + float(row) * (p.box[3] - p.box[1]) / float(p.height - 1)),
          inside(row < p.height && column < p.width),
          index((std::ptrdiff_t(frame) * p.height + row) * p.width + column) {}
};

struct Layer {
    float4 colour;
    float alpha;
};

// One skin layer at a pixel; coarse is its field's, of `invert`; shares: how much there is of each of the patch's
// lid_changes, null for none.
__device__ Layer layer_at(const MienWarp &w, const MienPatch &p, const Pixel &at, const float *coarse,
                          float4 smooth, const float *skin_alpha, const float *shares) {
    const MienGrid &grid = p.grid;
    const float column = float(at.column) * float(grid.columns - 1) / float(p.width - 1);
    const float row = float(at.row) * float(grid.rows - 1) / float(p.height - 1);
    const float4 own = coarse_at(coarse, at.frame, grid.rows, grid.columns, column, row);
    const float from_x = at.x + smooth.x, from_y = at.y + smooth.y;
    const float share = p.feather[at.row * p.width + at.column] *
                        known_share(from_x, from_y, p.box, w.source.width, w.source.height);
    const float x = from_x + share * (own.x - smooth.x), y = from_y + share * (own.y - smooth.y);
    const float in_x = (x - p.box[0]) * float(p.width - 1) / (p.box[2] - p.box[0]);
    const float in_y = (y - p.box[1]) * float(p.height - 1) / (p.box[3] - p.box[1]);
    float3 change = {0, 0, 0};
    const int plane = p.height * p.width;
    for (int k = 0; shares != nullptr && k < kMienLidChanges; ++k) {
        if (shares[k] != 0) {
            const float *colours = p.lid_changes + 3 * k * plane;
            change.x += shares[k] * sample_plane(colours, p.height, p.width, in_x, in_y);
            change.y += shares[k] * sample_plane(colours + plane, p.height, p.width, in_x, in_y);
            change.z += shares[k] * sample_plane(colours + 2 * plane, p.height, p.width, in_x, in_y);
        }
    }
    return {person_at(w, x, y, smooth.z, smooth.w, change), sample_plane(skin_alpha, p.height, p.width, in_x, in_y)};
}

// What lies behind the skin: all textures, alpha being 1; and those below the last one, which is the photo's own, with
// how much of them it lets through.
struct Interior {
    float4 colour, drawn;
};

// Textures from back to front, the first one opaque.
__device__ Interior interior(const MienPatch &p, const Pixel &at, float near) {
    float4 colour = {0, 0, 0, 1}, drawn = {0, 0, 0, 1};
    for (int k = 0; k < p.textures.count; ++k) {
        const int which = at.frame * p.textures.count + k;
        const float *m = p.affine + which * 6;
        const float4 layer =
            image_at(p.textures, k, m[0] * at.x + m[1] * at.y + m[2], m[3] * at.x + m[4] * at.y + m[5]);
        const float opacity = p.opacity[which], lit = opacity * (1 - p.shade[k] * near);
        const float through = 1 - opacity * layer.w;
        drawn = {colour.x, colour.y, colour.z, through};
        colour = {lit * layer.x + through * colour.x, lit * layer.y + through * colour.y,
                  lit * layer.z + through * colour.z, 1};
    }
    return {colour, drawn};
}

// One pixel of colours 0 to 255, and its alpha; null takes none.
__device__ void store_bytes(float4 pixel, std::uint8_t *out, std::ptrdiff_t index) {
    if (out == nullptr) {
        return;
    }
    const float values[4] = {pixel.x, pixel.y, pixel.z, pixel.w};
    for (int c = 0; c < 4; ++c) {
        out[4 * index + c] = std::uint8_t(nearbyintf(clamp_to(values[c], 255.0f)));
    }
}

// The sum of what covers the places around a pixel at which shade looks for skin; beyond the border counts as on it.
__device__ float sum_around(const MienPatch &p, const Pixel &at, const float *covered) {
    const float *frame = covered + std::ptrdiff_t(at.frame) * p.height * p.width;
    float near = 0;
    for (int i = -kShadeSteps; i <= kShadeSteps; ++i) {
        const float *line = frame + clamp_index(at.row + shade_offset(i, *p.shade_step), p.height) * p.width;
        for (int j = -kShadeSteps; j <= kShadeSteps; ++j) {
            near += line[clamp_index(at.column + shade_offset(j, *p.shade_step), p.width)];
        }
    }
    return near;
}

// Lays a pixel's skin over what is behind it. near: the sum of what covers the pixels around.
__device__ void finish(const MienPatch &p, const Pixel &at, float4 drawn, float covered, float near) {
    float4 inside = {0, 0, 0, 0};
    const float open = 1 - covered;
    if (open > 0) {
        const Interior found = interior(p, at, near / kShadePlaces);
        const float4 behind = found.colour, below = found.drawn;
        drawn = {drawn.x + open * behind.x, drawn.y + open * behind.y, drawn.z + open * behind.z, drawn.w + open};
        const float shown = open * below.w;
        inside = {shown * below.x, shown * below.y, shown * below.z, 255 * shown};
    }
    store_bytes(inside, p.inside, at.index);
    const std::ptrdiff_t back = p.backs > 1 ? at.index : at.row * p.width + at.column;
    lay_over(drawn, p.behind + 3 * back, p.frames + 3 * at.index);
}

} // namespace

// base, upper and lower: frames x nodes x 4, of `invert`. skin: frames x height x width, premultiplied, and how much of
// the pixel it covers.
extern "C" __global__ void __launch_bounds__(kTileX *kTileY)
    cover_patch(const MienWarp w, const MienPatch p, const float *base, const float *upper, const float *lower,
                float4 *skin, float *covered) {
    const Pixel at(p);
    if (!at.inside) {
        return;
    }
    const float4 smooth = coarse_at(base, at.frame, w.base.rows, w.base.columns,
                                    at.x * float(w.base.columns - 1) / float(w.source.width - 1),
                                    at.y * float(w.base.rows - 1) / float(w.source.height - 1));
    const float *shares = p.lid_shares == nullptr ? nullptr : p.lid_shares + at.frame * kMienLidChanges;
    const Layer above = layer_at(w, p, at, upper, smooth, p.skin_alpha, shares);
    const Layer below = layer_at(w, p, at, lower, smooth, p.skin_alpha + p.height * p.width, nullptr);
    const float beneath = below.alpha * (1 - above.alpha); // the upper layer lies over the lower where they overlap
    const float whole = fminf(above.alpha + below.alpha, 1.0f);
    const float share = whole / fmaxf(above.alpha + beneath, 1e-6f);
    const float a = share * above.alpha, b = share * beneath;
    skin[at.index] = {a * above.colour.x + b * below.colour.x, a * above.colour.y + b * below.colour.y,
                      a * above.colour.z + b * below.colour.z, a * above.colour.w + b * below.colour.w};
    covered[at.index] = whole;
}

// Naive: each pixel where something shows adds up its own 9 x 9 neighbours.
extern "C" __global__ void __launch_bounds__(kTileX *kTileY)
    finish_patch_naive(const MienPatch p, const float4 *skin, const float *covered) {
    const Pixel at(p);
    if (!at.inside) {
        return;
    }
    const float near = covered[at.index] < 1 ? sum_around(p, at, covered) : 0.0f;
    finish(p, at, skin[at.index], covered[at.index], near);
}

// Fast: a block reads its neighbourhood once and adds it up along rows, then along columns; blocks of closed skin don't.
// Faces so near that shade reaches further than a block has room for are drawn as by the naive one.
extern "C" __global__ void __launch_bounds__(kTileX *kTileY)
    finish_patch_fast(const MienPatch p, const float4 *skin, const float *covered) {
    constexpr int kRows = kTileY + 2 * kReach, kColumns = kTileX + 2 * kReach;
    __shared__ float around[kRows * kColumns], rows[kRows * kTileX];
    const Pixel at(p);
    const float whole = at.inside ? covered[at.index] : 1.0f;
    const float step = *p.shade_step;
    const int reach = shade_offset(kShadeSteps, step);
    float near = 0;
    if (reach > kReach) {
        near = whole < 1 ? sum_around(p, at, covered) : 0.0f;
    } else if (__syncthreads_or(whole < 1)) {
        const int columns = kTileX + 2 * reach, count = kTileY + 2 * reach;
        const int thread = threadIdx.y * kTileX + threadIdx.x;
        const float *frame = covered + std::ptrdiff_t(at.frame) * p.height * p.width;
        for (int n = thread; n < count * columns; n += kTileX * kTileY) {
            const int row = clamp_index(int(blockIdx.y) * kTileY - reach + n / columns, p.height);
            around[n] = frame[row * p.width + clamp_index(int(blockIdx.x) * kTileX - reach + n % columns, p.width)];
        }
        __syncthreads();
        for (int n = thread; n < count * kTileX; n += kTileX * kTileY) {
            const float *middle = around + n / kTileX * columns + n % kTileX + reach;
            float sum = 0;
            for (int k = -kShadeSteps; k <= kShadeSteps; ++k) {
                sum += middle[shade_offset(k, step)];
            }
            rows[n] = sum;
        }
        __syncthreads();
        for (int k = -kShadeSteps; k <= kShadeSteps; ++k) {
            near += rows[(threadIdx.y + reach + shade_offset(k, step)) * kTileX + threadIdx.x];
        }
    }
    if (at.inside) {
        finish(p, at, skin[at.index], whole, near);
    }
}
