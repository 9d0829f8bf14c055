#include "patch.h"

#include "maths.h"
#include "rows.h"
#include "simd.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

namespace mien {
namespace {

// The places of one skin layer along a row of the patch.
struct Layer {
    Enlarged offset;
    std::vector<float> values, x, y; // offsets from the field (2 x width); places in the crop, pixels
    Spots spots;

    Layer(const Field &field, int frame, int width)
        : offset(field.source_of(frame), field.grid.rows, field.grid.columns, 2, 0.0f,
                 float(field.grid.columns - 1) / float(width - 1), width),
          values(std::size_t(width) * 2), x(width), y(width), spots(width) {}
};

// What covers a patch: premultiplied colours and alpha (height x width x 4), and how much of each pixel (height x width).
struct Skin {
    std::vector<float> colours, covered;
};

// Leads a layer's field over into the smooth one (2 x width), towards the patch's border, and for what comes from there.
MIEN_CLONES void feathered(Layer &layer, const float *smooth, const float *feather, const MienWarp &warp,
                           const MienPatch &patch, float y) {
    const int width = patch.width;
    const float step = (patch.box[2] - patch.box[0]) / float(width - 1);
    const float *own = layer.values.data();
    for (int i = 0; i < width; ++i) {
        const float x = patch.box[0] + float(i) * step, from_x = x + smooth[i], from_y = y + smooth[width + i];
        const float share =
            feather[i] * known_share(from_x, from_y, patch.box, warp.source.width, warp.source.height);
        layer.x[i] = from_x + share * (own[i] - smooth[i]);
        layer.y[i] = from_y + share * (own[width + i] - smooth[width + i]);
    }
}

// The person at the i-th place of a row, whose colours in the photo are other ones by `change`.
MIEN_INLINE f4 person_at(const MienWarp &warp, const Layer &layer, int i, float strength, float light,
                          f4 change = f4{}) {
    const MienImages &source = warp.source;
    const Spots &spots = layer.spots;
    const int stride = stride_of(source.width), first = spots.first[i];
    const f4 person = sharp(source.pixels, stride, spots, i);
    const float dark = strength * mixed(warp.source_folds, stride, first, spots.right[i], spots.below[i]);
    const float gain = 1.0f + light;
    const f4 units = {source.colour, source.colour, source.colour, source.alpha};
    const f4 tint = {warp.fold_tint[0], warp.fold_tint[1], warp.fold_tint[2], 0.0f};
    return (person * units + change) * f4{gain, gain, gain, 1.0f} * (1.0f - dark * tint);
}

// shares: how much there is of each of the patch's lid_changes; null for none.
MIEN_CLONES void cover_row(const MienWarp &warp, const MienPatch &patch, const Layer &upper, const Layer &lower,
                           const float *shares, const float *strength, float *colours, float *covered) {
    const float *light = strength + patch.width;
    const int height = patch.height, width = patch.width;
    const float per_x = float(width - 1) / (patch.box[2] - patch.box[0]);
    const float per_y = float(height - 1) / (patch.box[3] - patch.box[1]);
    const float *alphas[2] = {patch.skin_alpha, patch.skin_alpha + std::size_t(height) * width};
    const auto read = [&](const float *plane, const Layer &layer, int i) {
        const float x = (layer.x[i] - patch.box[0]) * per_x, y = (layer.y[i] - patch.box[1]) * per_y;
        return sample_plane(plane, height, width, x, y);
    };
    const auto change_of = [&](int i) {
        f4 change = {};
        for (int k = 0; shares != nullptr && k < kMienLidChanges; ++k) {
            for (int c = 0; shares[k] != 0.0f && c < 3; ++c) {
                change[c] += shares[k] * read(patch.lid_changes + (3 * k + c) * std::size_t(height) * width, upper, i);
            }
        }
        return change;
    };
    for (int i = 0; i < width; ++i) {
        const float alpha = read(alphas[0], upper, i), alpha_lower = read(alphas[1], lower, i);
        const float beneath = alpha_lower * (1.0f - alpha); // the upper layer lies over the lower where they overlap
        f4 both = {}; // few pixels show both layers
        if (alpha > 0.0f) {
            both = alpha * person_at(warp, upper, i, strength[i], light[i], change_of(i));
        }
        if (beneath > 0.0f) {
            both += beneath * person_at(warp, lower, i, strength[i], light[i]);
        }
        covered[i] = std::min(alpha + alpha_lower, 1.0f);
        store(colours + 4 * i, both * (covered[i] / std::max(alpha + beneath, 1e-6f)));
    }
}

// frame is its place in the fields.
Skin cover(const MienWarp &warp, const MienPatch &patch, const Layers &layers, int frame, const float *shares) {
    const int height = patch.height, width = patch.width;
    Skin skin = {std::vector<float>(std::size_t(height) * width * 4), std::vector<float>(std::size_t(height) * width)};
    const MienGrid &grid = layers.base.grid;
    const float per_column = float(grid.columns - 1) / float(warp.source.width - 1);
    const float per_row = float(grid.rows - 1) / float(warp.source.height - 1);
    const float step_x = (patch.box[2] - patch.box[0]) / float(width - 1);
    const float step_y = (patch.box[3] - patch.box[1]) / float(height - 1);
    Enlarged base(layers.base.source_of(frame), grid.rows, grid.columns, 4, patch.box[0] * per_column,
                  step_x * per_column, width);
    Layer upper(layers.upper, frame, width), lower(layers.lower, frame, width);
    std::vector<float> smooth(std::size_t(width) * 4); // then how strongly skin folds, then its light
    for (int row = 0; row < height; ++row) {
        const float y = patch.box[1] + float(row) * step_y;
        base.read(y * per_row, smooth.data());
        for (Layer *layer : {&upper, &lower}) {
            const int rows = (layer == &upper ? layers.upper : layers.lower).grid.rows;
            layer->offset.read(float(row) * float(rows - 1) / float(height - 1), layer->values.data());
            feathered(*layer, smooth.data(), patch.feather + std::size_t(row) * width, warp, patch, y);
            layer->spots.find(layer->x.data(), layer->y.data(), int(layer->x.size()), warp.source);
        }
        const std::size_t at = std::size_t(row) * width;
        const float *shading = smooth.data() + 2 * width;
        cover_row(warp, patch, upper, lower, shares, shading, &skin.colours[4 * at], &skin.covered[at]);
    }
    return skin;
}

// The sum of `covered` over the places above and below at which shade looks for skin; beyond the border counts as on it.
MIEN_CLONES void sum_of_rows(const std::vector<float> &covered, int height, int width, int row, float step, float *sum) {
    std::fill(sum, sum + width, 0.0f);
    for (int k = -kShadeSteps; k <= kShadeSteps; ++k) {
        const float *from = &covered[std::size_t(clamp_index(row + shade_offset(k, step), height)) * width];
        for (int i = 0; i < width; ++i) {
            sum[i] += from[i];
        }
    }
}

// What lies behind the skin: all textures, alpha being 1; and those below the last one, which is the photo's own, with
// how much of them it lets through.
struct Interior {
    f4 colour, drawn;
};

// At a place in the crop: textures from back to front, the first one opaque.
MIEN_INLINE Interior interior(const MienPatch &patch, int frame, float x, float y, float near) {
    const MienImages &textures = patch.textures;
    const int count = textures.count, stride = stride_of(textures.width);
    f4 colour = {}, drawn = {};
    float through = 1.0f;
    for (int k = 0; k < count; ++k) {
        const float *affine = patch.affine + (std::size_t(frame) * count + k) * 6;
        const Corners at = corners_at(affine[0] * x + affine[1] * y + affine[2], affine[3] * x + affine[4] * y + affine[5],
                                      textures.height, textures.width);
        const std::int16_t *pixels = textures.pixels + std::size_t(k) * stride_of(textures.height) * stride * 4;
        const f4 layer = patch.opacity[std::size_t(frame) * count + k] *
                         mixed(pixels, stride, packed_index(at.x0, at.y0, stride), at.right, at.below);
        const float lit = textures.colour * (1.0f - patch.shade[k] * near);
        drawn = colour;
        through = 1.0f - textures.alpha * layer[3];
        colour = lit * layer + through * colour;
    }
    colour[3] = 1.0f;
    drawn[3] = through;
    return {colour, drawn};
}

// One pixel of colours 0 to 255, and its alpha.
MIEN_INLINE void store_bytes(f4 colour, float alpha, std::uint8_t *out) {
    const float values[4] = {colour[0], colour[1], colour[2], alpha};
    for (int c = 0; c < 4; ++c) {
        out[c] = std::uint8_t(std::nearbyintf(clamp_to(values[c], 255.0f)));
    }
}

// Adds to one row of the skin what shows behind it; near: room for a row.
MIEN_CLONES void fill_row(const MienPatch &patch, Skin &skin, int frame, int row, float *near) {
    const int height = patch.height, width = patch.width;
    const std::size_t at = std::size_t(row) * width;
    const float *covered = &skin.covered[at];
    const float step = (patch.box[2] - patch.box[0]) / float(width - 1);
    const float y = patch.box[1] + float(row) * (patch.box[3] - patch.box[1]) / float(height - 1);
    int offsets[2 * kShadeSteps + 1];
    for (int k = -kShadeSteps; k <= kShadeSteps; ++k) {
        offsets[k + kShadeSteps] = shade_offset(k, *patch.shade_step);
    }
    bool added = false; // most rows are covered all along
    for (int i = 0; i < width; ++i) {
        if (covered[i] >= 1.0f) {
            continue;
        }
        if (!added) {
            sum_of_rows(skin.covered, height, width, row, *patch.shade_step, near);
            added = true;
        }
        float sum = 0;
        for (const int offset : offsets) {
            sum += near[clamp_index(i + offset, width)];
        }
        const Interior behind = interior(patch, frame, patch.box[0] + float(i) * step, y, sum / kShadePlaces);
        float *colour = &skin.colours[4 * (at + i)];
        store(colour, load<f4>(colour) + (1.0f - covered[i]) * behind.colour);
        if (patch.inside != nullptr) {
            const float shown = (1.0f - covered[i]) * behind.drawn[3];
            store_bytes(shown * behind.drawn, 255 * shown, patch.inside + 4 * (frame * std::size_t(height) * width + at + i));
        }
    }
}

} // namespace

void draw_patch(const MienWarp &warp, const MienPatch &patch, const Layers &layers, int frame, int frame_of_field) {
    const float *shares = patch.lid_shares == nullptr ? nullptr : patch.lid_shares + std::size_t(frame) * kMienLidChanges;
    Skin skin = cover(warp, patch, layers, frame_of_field, shares);
    const std::size_t line = std::size_t(patch.width) * 3, size = line * patch.height;
    const std::uint8_t *behind = patch.behind + (patch.backs > 1 ? frame * size : 0);
    if (patch.inside != nullptr) {
        const std::size_t pixels = std::size_t(patch.height) * patch.width;
        std::memset(patch.inside + 4 * pixels * frame, 0, 4 * pixels);
    }
    std::vector<float> near(patch.width);
    for (int row = 0; row < patch.height; ++row) {
        fill_row(patch, skin, frame, row, near.data());
        const float *drawn = &skin.colours[std::size_t(row) * patch.width * 4];
        lay_over(drawn, behind + row * line, patch.width, patch.frames + frame * size + row * line);
    }
}

} // namespace mien
