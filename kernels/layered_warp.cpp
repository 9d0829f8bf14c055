// The layered warp of export/warp.py on the host: fields on coarse nodes first, then row by row of every frame.
#include "fields.h"
#include "maths.h"
#include "native.h"
#include "parallel.h"
#include "patch.h"
#include "rows.h"
#include "simd.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace mien {
namespace {

constexpr int kRowsOfWork = 64;   // pixels' rows that a thread takes at once
constexpr int kNodesOfWork = 256; // nodes that a thread takes at once
constexpr int kPixelsAtOnce = 256; // of a row: what is known of them fits into the fastest memory
constexpr int kPixelsOfRun = 16;  // half a block: as far as three places speak for all between

std::vector<Field> fields_of(const MienWarp &warp) {
    std::vector<Field> fields;
    fields.emplace_back(warp.base, float(warp.source.width - 1), float(warp.source.height - 1));
    for (const MienPatch &patch : warp.patches) {
        const float width = patch.box[2] - patch.box[0], height = patch.box[3] - patch.box[1];
        fields.emplace_back(patch.grid, width, height); // of the upper layer
        fields.emplace_back(patch.grid, width, height); // and of the lower one
    }
    return fields;
}

// A field's coefficients of some frames beside each other, functions x kLanes: lanes without a frame hold 0.
std::vector<float> side_by_side(const float *coefficients, int functions, int first, int frames) {
    std::vector<float> lanes(std::size_t(functions) * kLanes, 0.0f);
    for (int frame = 0; frame < frames; ++frame) {
        const float *from = coefficients + std::size_t(first + frame) * functions * 2;
        for (int k = 0; k < functions; ++k) {
            lanes[std::size_t(k) * kLanes + 2 * frame] = from[2 * k];
            lanes[std::size_t(k) * kLanes + 2 * frame + 1] = from[2 * k + 1];
        }
    }
    return lanes;
}

// Those of all fields, in the order of `fields_of`.
std::vector<std::vector<float>> all_side_by_side(const MienWarp &warp, int first, int frames) {
    std::vector<std::vector<float>> lanes = {side_by_side(warp.coefficients, warp.functions, first, frames)};
    for (const MienPatch &patch : warp.patches) {
        lanes.push_back(side_by_side(patch.upper, warp.functions, first, frames));
        lanes.push_back(side_by_side(patch.lower, warp.functions, first, frames));
    }
    return lanes;
}

void displace_all(std::vector<Field> &fields, const std::vector<std::vector<float>> &lanes, int functions, int threads) {
    struct Part {
        int which, first;
    };
    std::vector<Part> parts;
    for (int which = 0; which < int(fields.size()); ++which) {
        for (int first = 0; first < fields[which].nodes(); first += kNodesOfWork) {
            parts.push_back({which, first});
        }
    }
    parallel_for(threads, int(parts.size()), [&](int i) {
        const auto [which, from] = parts[i];
        const int last = std::min(from + kNodesOfWork, fields[which].nodes());
        displace(fields[which], lanes[which].data(), functions, from, last);
    });
}

// A stretch of a row of output pixels.
struct Run {
    int first, count;
};

// Writes the stretches of a row that may show something of the person; x, y: where its pixels come from. Places move so
// little from one pixel to the next that a few of a stretch, and blocks that reach into their neighbours, speak for all.
int occupied_runs(const MienWarp &warp, const float *x, const float *y, Run *runs) {
    const int width = warp.source.width, columns = (width + kMienBlock - 1) / kMienBlock;
    if (warp.occupied == nullptr) {
        runs[0] = {0, width};
        return 1;
    }
    const float right = float(width - 1), bottom = float(warp.source.height - 1);
    const auto seen = [&](int i) {
        const int column = int(clamp_to(x[i], right)) / kMienBlock, row = int(clamp_to(y[i], bottom)) / kMienBlock;
        return warp.occupied[row * columns + column] != 0;
    };
    int count = 0;
    for (int first = 0; first < width; first += kPixelsOfRun) {
        const int last = std::min(first + kPixelsOfRun, width) - 1;
        if (!seen(first) && !seen((first + last) / 2) && !seen(last)) {
            continue;
        }
        if (count > 0 && runs[count - 1].first + runs[count - 1].count == first) {
            runs[count - 1].count += last + 1 - first;
        } else {
            runs[count++] = {first, last + 1 - first};
        }
    }
    return count;
}

// The person along one stretch of a row of the crop (count x 4), whose skin folds by `strength` and is in light brighter
// by `light`.
MIEN_CLONES void person_row(const MienWarp &warp, const Spots &spots, const float *__restrict strength,
                            const float *__restrict light, int count, float *__restrict out) {
    const MienImages source = warp.source; // copies, since what is written might else be any of this
    const float *folds = warp.source_folds, *right = spots.right.data(), *below = spots.below.data();
    const int *first = spots.first.data();
    const int stride = stride_of(source.width);
    const f4 tint = {warp.fold_tint[0], warp.fold_tint[1], warp.fold_tint[2], 0.0f};
    const f4 units = {source.colour, source.colour, source.colour, source.alpha};
    for (int i = 0; i < count; ++i) {
        f4 found = units * sharp(source.pixels, stride, spots, i);
        if (strength[i] != 0.0f) {
            const float dark = strength[i] * mixed(folds, stride, first[i], right[i], below[i]);
            found *= 1.0f - dark * tint;
        }
        const float gain = 1.0f + light[i];
        found *= f4{gain, gain, gain, 1.0f};
        store(out + 4 * i, found);
    }
}

// Rows from `first` on of one frame of the crop, without the patches.
void draw_rows(const MienWarp &warp, const Field &base, int frame, int frame_of_field, int first) {
    const int height = warp.source.height, width = warp.source.width;
    const float *coarse = base.source_of(frame_of_field);
    const float per_row = float(base.grid.rows - 1) / float(height - 1);
    const float per_column = float(base.grid.columns - 1) / float(width - 1);
    Enlarged enlarged(coarse, base.grid.rows, base.grid.columns, 4, 0.0f, per_column, width);
    Spots spots(kPixelsAtOnce);
    std::vector<float> values(std::size_t(width) * 4), person(std::size_t(kPixelsAtOnce) * 4);
    std::vector<Run> runs(width / kPixelsOfRun + 1);
    float *x = values.data(), *y = x + width, *strength = y + width, *light = strength + width;
    for (int row = first; row < std::min(first + kRowsOfWork, height); ++row) {
        enlarged.read(float(row) * per_row, values.data());
        for (int i = 0; i < width; ++i) {
            x[i] += float(i);
            y[i] += float(row);
        }
        const std::size_t line = std::size_t(width) * 3;
        const std::uint8_t *behind = warp.behind + ((warp.backs > 1 ? std::size_t(frame) * height : 0) + row) * line;
        std::uint8_t *drawn = warp.drawn + frame * warp.drawn_frame + row * warp.drawn_row;
        std::memcpy(drawn, behind, line);
        const int count = occupied_runs(warp, x, y, runs.data());
        for (int r = 0; r < count; ++r) {
            const int end = runs[r].first + runs[r].count;
            for (int from = runs[r].first; from < end; from += kPixelsAtOnce) {
                const int part = std::min(kPixelsAtOnce, end - from);
                spots.find(x + from, y + from, part, warp.source);
                person_row(warp, spots, strength + from, light + from, part, person.data());
                lay_over(person.data(), behind + 3 * from, part, drawn + 3 * from);
            }
        }
    }
}

void draw(const MienWarp &warp, int threads) {
    std::vector<Field> fields = fields_of(warp);
    for (int first = 0; first < warp.frames; first += kFramesAtOnce) {
        const int frames = std::min(kFramesAtOnce, warp.frames - first);
        displace_all(fields, all_side_by_side(warp, first, frames), warp.functions, threads);
        parallel_for(threads, frames * int(fields.size()), [&](int i) {
            const int frame = i % frames, which = i / frames;
            invert(fields[which], frame);
            if (which == 0) {
                const std::size_t at = first + frame;
                add_shading(fields[which], frame, 2, warp.folds + at * warp.regions, warp.fold_regions, warp.regions);
                add_shading(fields[which], frame, 3, warp.light + at * warp.terms, warp.light_maps, warp.terms);
            }
        });
        const int blocks = (warp.source.height + kRowsOfWork - 1) / kRowsOfWork;
        const int works = blocks + kMienPatches; // of one frame; patches, which take longest, come first
        parallel_for(threads, frames * works, [&](int i) {
            const int frame = i % frames, which = i / frames;
            if (which < kMienPatches) {
                const Layers layers = {fields[0], fields[2 * which + 1], fields[2 * which + 2]};
                draw_patch(warp, warp.patches[which], layers, first + frame, frame);
            } else {
                draw_rows(warp, fields[0], first + frame, frame, (which - kMienPatches) * kRowsOfWork);
            }
        });
    }
}

} // namespace
} // namespace mien

extern "C" std::int32_t mien_interface() { return kMienInterface; }

extern "C" std::int64_t mien_warp_size() { return sizeof(MienWarp); }

extern "C" int mien_layered_warp(const MienWarp *warp, int threads) {
    try {
        mien::draw(*warp, threads);
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
