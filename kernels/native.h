// The host library's interface, in plain C: engine/native/ calls it with ctypes, so sizes come from the caller, who
// has checked them. All arrays are contiguous, rows from the top; positions are pixels, (0, 0) the first one's centre.
#pragma once

#include <cstdint>

#if defined(_WIN32)
#define MIEN_EXPORT __declspec(dllexport)
#else
#define MIEN_EXPORT __attribute__((visibility("default")))
#endif

extern "C" {

// Images of four 16-bit channels, premultiplied red, green, blue and alpha: count x (height + 3) x (width + 3) x 4.
// The first row and column stand twice and the last ones three times, so that the sixteen pixels around any place inside
// of the image can be read.
struct MienImages {
    const std::int16_t *pixels;
    std::int32_t count, height, width;
    float colour, alpha; // what one step of a channel is worth: grey levels, shares of 1
};

// A lattice of nodes over a box, and the values of the functions there that a field is made of: rows x columns x
// functions.
struct MienGrid {
    const float *functions;
    std::int32_t rows, columns;
};

// One place where skin tears; export/warp.py says what each array is.
struct MienPatch {
    const float *box; // x0 y0 x1 y1
    MienGrid grid;
    const float *upper, *lower; // frames x functions x 2, coefficients of the skin layers' fields
    std::int32_t height, width;
    const float *skin_alpha; // 2 x height x width
    const float *feather;    // height x width
    MienImages textures;
    const float *shade;         // textures: how much darker each one is where all around is skin
    const float *shade_step;    // 1, pixels between the 9 x 9 places around that say whether it is
    const float *affine;        // frames x textures x 2 x 3
    const float *opacity;       // frames x textures
    const float *lid_changes;   // kMienLidChanges x 3 x height x width, of the upper layer's colours; null for none
    const float *lid_shares;    // frames x kMienLidChanges: how much of each there is
    const std::uint8_t *behind; // backs x height x width x 3
    std::int32_t backs;         // 1 or frames
    std::uint8_t *frames;       // frames x height x width x 3, written
    std::uint8_t *inside;       // frames x height x width x 4, written if it isn't null: how much of each pixel is drawn
                                // and not photographed, premultiplied
};

constexpr int kMienPatches = 3;
constexpr int kMienLidChanges = 2; // as an upper lid shuts, and as the brow above it rises
constexpr int kMienBlock = 32;

struct MienWarp {
    std::int32_t frames, functions, regions, terms;
    const float *coefficients; // frames x functions x 2, of the smooth field
    const float *folds;        // frames x regions
    const float *fold_regions; // regions x base.rows x base.columns
    const float *fold_tint;    // 3, how much of a fold's darkness each colour takes
    const float *light;        // frames x terms
    const float *light_maps;   // terms x base.rows x base.columns
    MienGrid base;
    MienImages source;
    const float *source_folds;  // (height + 3) x (width + 3), as MienImages
    const std::uint8_t *occupied; // for each block of kMienBlock x kMienBlock pixels of the source, row by row: 0 where
                                  // neither it nor a block beside it has anything; null where that isn't known
    const std::uint8_t *behind; // backs x height x width x 3
    std::int32_t backs;         // 1 or frames
    std::uint8_t *drawn;        // frames x height x width x 3, written; not the memory of anything else here
    std::int64_t drawn_row, drawn_frame; // bytes from one row or frame of it to the next: it may be part of a picture
    MienPatch patches[kMienPatches];
};

// What the caller compares with its own idea of all this, since a library may be older than the code that loads it:
// a number that is raised whenever a struct changes, as its size may stay what it was, and the size of MienWarp.
constexpr std::int32_t kMienInterface = 6;
MIEN_EXPORT std::int32_t mien_interface();
MIEN_EXPORT std::int64_t mien_warp_size();

// Draws all frames on up to `threads` threads. Returns 0, or 1 where there isn't enough memory. The bytes depend
// neither on the number of threads nor on how frames are shared out to calls.
MIEN_EXPORT int mien_layered_warp(const MienWarp *warp, int threads);

// torch's grid_sample: image (images x channels x depth x height x width) read at grid (batch x out_depth x out_height
// x out_width x axes) -> out (batch x channels x out_depth x out_height x out_width). In 2-D axes is 2, both depths 1.
struct MienSampling {
    const float *image;
    std::int32_t images; // 1, which serves the whole batch, or batch
    std::int32_t channels, depth, height, width;
    const float *grid; // x, y and z of -1 to 1
    std::int32_t axes, batch, out_depth, out_height, out_width;
    std::int32_t mode;    // 0 bilinear, 1 nearest, 2 bicubic (2-D only)
    std::int32_t padding; // 0 zeros, 1 border, 2 reflection
    std::int32_t align_corners;
    float *out;
};

// Returns 0, 1 where there isn't enough memory, or 2 for what it can't do.
MIEN_EXPORT int mien_grid_sample(const MienSampling *sampling, int threads);

// A premultiplied crop, colours 0 to 255 and alpha 0 to 1: frames x height x width x 4.
struct MienCrop {
    const float *pixels;
    std::int32_t height, width, x0, y0; // it lies inside of the plate
};

struct MienComposite {
    const std::uint8_t *plate; // height x width x 3
    std::int32_t frames, height, width, count;
    const MienCrop *crops; // count of them, the first one lowest
    std::uint8_t *rgb;     // frames x height x width x 3, or null for NV12 instead, which takes even sizes:
    std::uint8_t *luma;    // frames x height x width
    std::uint8_t *colour;  // frames x height / 2 x width / 2 x 2, blue and red
};

// The crops over the plate, as RGB or as NV12 of BT.709 in limited range. Returns 0, or 2 for odd sizes of NV12.
MIEN_EXPORT int mien_composite(const MienComposite *composite, int threads);

// A frame in RGB (height x width x 3, even sizes) and the planes that an encoder wants of it: luma (height x width), blue
// and red differences (half of that each way, means of four pixels), with rows that lie this many bytes apart.
struct MienPlanes {
    const std::uint8_t *rgb;
    std::int32_t height, width;
    std::uint8_t *luma, *blue, *red;
    std::int32_t luma_row, colour_row;
};

// BT.709 in limited range. Returns 0, 1 where there isn't enough memory, or 2 for odd sizes.
MIEN_EXPORT int mien_to_yuv420(const MienPlanes *planes);

// Displacements of points in the picture's plane, and pairs of them that hold each other.
struct MienSkin {
    const std::int32_t *pairs; // count x 2, of two different points each
    const float *shares;       // count x 2, of what is too much, by which each of a pair gives way
    const float *along;        // count x 2, from the first to the second one at rest, of length 1
    const float *room;         // count: what they may move against each other
    float *found;              // points x 2 x frames, changed
    std::int32_t count, frames, rounds;
};

// Pushes pairs apart, one after the other, for so many rounds or until nothing moves.
MIEN_EXPORT void mien_relax_skin(const MienSkin *skin);
}
