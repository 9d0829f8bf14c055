// A place where skin tears, on the device: `cover_patch` draws the two skin layers, `finish_patch` what lies behind them
// and the background. Both are a thread for each pixel: launch with (kTileX, kTileY) threads, and (width / kTileX,
// height / kTileY, frames) blocks, rounded up.
#include "device.cuh"

using namespace mien;

namespace {

constexpr int kTileX = 32, kTileY = 8;
constexpr int kNear = 4; // shade is the mean of what covers the 9 x 9 pixels around

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

// One skin layer at a pixel; coarse is its grid's, of `invert`.
__device__ Layer layer_at(const MienWarp &w, const MienPatch &p, const Pixel &at, const MienGrid &grid,
                          const float *coarse, float3 smooth, const float *skin_alpha) {
    const float column = float(at.column) * float(grid.columns - 1) / float(p.width - 1);
    const float row = float(at.row) * float(grid.rows - 1) / float(p.height - 1);
    const float3 own = coarse_at(coarse, at.frame, grid.rows, grid.columns, column, row);
    const float feather = p.feather[at.row * p.width + at.column];
    const float x = at.x + smooth.x + feather * (own.x - smooth.x), y = at.y + smooth.y + feather * (own.y - smooth.y);
    const float in_x = (x - p.box[0]) * float(p.width - 1) / (p.box[2] - p.box[0]);
    const float in_y = (y - p.box[1]) * float(p.height - 1) / (p.box[3] - p.box[1]);
    return {person_at(w, x, y, smooth.z), sample_plane(skin_alpha, p.height, p.width, in_x, in_y)};
}

// What lies behind the skin: textures from back to front, the first one opaque.
__device__ float4 interior(const MienPatch &p, const Pixel &at, float near) {
    float4 colour = {0, 0, 0, 1};
    for (int k = 0; k < p.textures.count; ++k) {
        const int which = at.frame * p.textures.count + k;
        const float *m = p.affine + which * 6;
        const float4 layer =
            image_at(p.textures, k, m[0] * at.x + m[1] * at.y + m[2], m[3] * at.x + m[4] * at.y + m[5]);
        const float opacity = p.opacity[which], lit = opacity * (1 - p.shade[k] * near);
        const float through = 1 - opacity * layer.w;
        colour = {lit * layer.x + through * colour.x, lit * layer.y + through * colour.y,
                  lit * layer.z + through * colour.z, 1};
    }
    return colour;
}

} // namespace

// base, upper and lower: frames x nodes x 3, of `invert`. skin: frames x height x width, premultiplied, and how much of
// the pixel it covers.
extern "C" __global__ void __launch_bounds__(kTileX *kTileY)
    cover_patch(const MienWarp w, const MienPatch p, const float *base, const float *upper, const float *lower,
                float4 *skin, float *covered) {
    const Pixel at(p);
    if (!at.inside) {
        return;
    }
    const float3 smooth = coarse_at(base, at.frame, w.base.rows, w.base.columns,
                                    at.x * float(w.base.columns - 1) / float(w.source.width - 1),
                                    at.y * float(w.base.rows - 1) / float(w.source.height - 1));
    const Layer above = layer_at(w, p, at, p.upper, upper, smooth, p.skin_alpha);
    const Layer below = layer_at(w, p, at, p.lower, lower, smooth, p.skin_alpha + p.height * p.width);
    const float beneath = below.alpha * (1 - above.alpha); // the upper layer lies over the lower where they overlap
    const float whole = fminf(above.alpha + below.alpha, 1.0f);
    const float share = whole / fmaxf(above.alpha + beneath, 1e-6f);
    const float a = share * above.alpha, b = share * beneath;
    skin[at.index] = {a * above.colour.x + b * below.colour.x, a * above.colour.y + b * below.colour.y,
                      a * above.colour.z + b * below.colour.z, a * above.colour.w + b * below.colour.w};
    covered[at.index] = whole;
}

extern "C" __global__ void __launch_bounds__(kTileX *kTileY)
    finish_patch(const MienPatch p, const float4 *skin, const float *covered) {
    const Pixel at(p);
    if (!at.inside) {
        return;
    }
    float4 drawn = skin[at.index];
    const float open = 1 - covered[at.index];
    if (open > 0) {
        const float *frame = covered + std::ptrdiff_t(at.frame) * p.height * p.width;
        float near = 0;
        for (int i = -kNear; i <= kNear; ++i) {
            const float *line = frame + clamp_index(at.row + i, p.height) * p.width;
            for (int j = -kNear; j <= kNear; ++j) {
                near += line[clamp_index(at.column + j, p.width)];
            }
        }
        const float4 behind = interior(p, at, near / ((2 * kNear + 1) * (2 * kNear + 1)));
        drawn = {drawn.x + open * behind.x, drawn.y + open * behind.y, drawn.z + open * behind.z, drawn.w + open};
    }
    const std::ptrdiff_t back = p.backs > 1 ? at.index : at.row * p.width + at.column;
    lay_over(drawn, p.behind + 3 * back, p.frames + 3 * at.index);
}
