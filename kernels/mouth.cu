// What engine/render/mouth.py does around the mouth network, on the device: cut the network's windows out of the drawn
// mouths, give what it drew the photo's tones, and lay that over the mouths. Blocks and threads are said at each kernel.
#include "maths.h"

#include <cstdint>

using namespace mien;

namespace {

constexpr int kWidth = 160;    // of the network's picture
constexpr int kInputs = 8;     // of the network: colours, how much inside shows, and the four parts
constexpr int kOutputs = 4;    // colours and alpha
constexpr int kThreads = 256;  // of a block of tone_mouths
constexpr int kSums = 6;       // colours of teeth as seen and as drawn
constexpr int kEdge = 2;       // pixels to each side over which teeth and gums go over into the dark
constexpr float kLowerTeeth = 0.15f;                                       // LOWER_TEETH of mouth.py
constexpr float kDarkest = 0.1f, kBrightest = 1.2f, kUsuallyDarkest = 0.6f; // TONES and USUAL_TONES

} // namespace

// One frame's mouth in the network's picture. Maps are rows of (2, 3) matrices.
struct View {
    std::int32_t frame;
    float to_patch[6];  // pixels of the window -> of the patch
    float to_window[6]; // and back
    float down[2];      // how far the jaw has moved, in the picture's pixels
};

// Some frames' mouths whose windows are the same.
struct Mouths {
    std::uint8_t *patch;        // frames x height x width x 3
    const std::uint8_t *inside; // frames x height x width x 4
    std::int32_t height, width;
    std::int32_t coarse; // pixels of the patch along a side of one of the network's
    const View *views;
    std::int32_t count;
    std::int32_t x0, y0, window_height, window_width; // in the network's picture
    const float *upper, *lower;                       // picture x 3: teeth, gums and tongue, their sum
    const float *share;                               // picture: of the network's result that counts
    std::int32_t own_teeth;                           // whether the photo shows some
    float toned, curve[9], limits[2];                 // engine/portrait/toning.py
    float *crops;                                     // count x kInputs x window
    const float *drawn;                               // count x kOutputs x window
    float *tones;                                     // count x 3
    float *finished;                                  // count x window x 4
};

namespace {

struct Place {
    float x, y;
};

__device__ Place through(const float *map, float x, float y) {
    return {map[0] * x + map[1] * y + map[2], map[3] * x + map[4] * y + map[5]};
}

// A channel of a picture of bytes whose pixels are means over `coarse` by `coarse`, at one of those pixels.
__device__ float coarse_pixel(const std::uint8_t *picture, int width, int channels, int coarse, int x, int y) {
    int sum = 0;
    for (int row = y * coarse; row < (y + 1) * coarse; ++row) {
        for (int column = x * coarse; column < (x + 1) * coarse; ++column) {
            sum += picture[(std::ptrdiff_t(row) * width + column) * channels];
        }
    }
    return nearbyintf(float(sum) / float(coarse * coarse));
}

// The same at a place of the fine picture, to the next grey level.
__device__ float level_at(const std::uint8_t *picture, int height, int width, int channels, int coarse, Place at) {
    const float x = (at.x + 0.5f) / float(coarse) - 0.5f, y = (at.y + 0.5f) / float(coarse) - 0.5f;
    const Corners c = corners_at(x, y, height / coarse, width / coarse);
    const auto pixel = [&](int column, int row) { return coarse_pixel(picture, width, channels, coarse, column, row); };
    const float above = pixel(c.x0, c.y0) + c.right * (pixel(c.x1, c.y0) - pixel(c.x0, c.y0));
    const float beneath = pixel(c.x0, c.y1) + c.right * (pixel(c.x1, c.y1) - pixel(c.x0, c.y1));
    return nearbyintf(above + c.below * (beneath - above));
}

// A channel of the lower jaw, which has moved, at a place of the picture.
__device__ float lower_at(const Mouths &m, int channel, float x, float y, int picture_height) {
    const Corners c = corners_at(x, y, picture_height, kWidth);
    const auto pixel = [&](int column, int row) { return m.lower[(row * kWidth + column) * 3 + channel]; };
    const float above = pixel(c.x0, c.y0) + c.right * (pixel(c.x1, c.y0) - pixel(c.x0, c.y0));
    const float beneath = pixel(c.x0, c.y1) + c.right * (pixel(c.x1, c.y1) - pixel(c.x0, c.y1));
    return above + c.below * (beneath - above);
}

// An index beyond an axis, mirrored at its outer pixels.
__device__ int mirrored(int i, int size) { return size == 1 ? 0 : i < 0 ? -i : i < size ? i : 2 * size - 2 - i; }

__device__ float limited(float value, float low, float high) {
    return value > low ? (value < high ? value : high) : low;
}

// How much of what the network drew at a pixel counts: `trust` of mouth.py.
__device__ float trust_at(const Mouths &m, const float *crop, int x, int y) {
    const int pixels = m.window_height * m.window_width;
    float near = 0;
    for (int j = -kEdge; j <= kEdge; ++j) {
        for (int i = -kEdge; i <= kEdge; ++i) {
            const int at = mirrored(y + j, m.window_height) * m.window_width + mirrored(x + i, m.window_width);
            for (int part = 4; part < kInputs - 1; ++part) { // all but lower gums and tongue
                near += crop[part * pixels + at];
            }
        }
    }
    near /= float((2 * kEdge + 1) * (2 * kEdge + 1));
    const float lower_teeth = crop[6 * pixels + y * m.window_width + x];
    return smaller(near, 1.0f) * (1 - (1 - kLowerTeeth) * lower_teeth);
}

// Colours in the photo's tone, as Toning.applied.
__device__ void tone(const Mouths &m, float *colours) {
    if (m.toned == 0) {
        return;
    }
    const float luma = 0.299f * colours[0] + 0.587f * colours[1] + 0.114f * colours[2];
    const float known = limited(luma / 255, m.limits[0], m.limits[1]);
    for (int c = 0; c < 3; ++c) {
        const float apart = (m.curve[c] * known + m.curve[3 + c]) * known + m.curve[6 + c];
        colours[c] += m.toned * (luma + 255 * apart - colours[c]);
    }
}

} // namespace

// Where the inside shows in each frame: least x and y, largest x and y (frames x 4), which begin as the patch's sizes
// and -1. A thread for each pixel of a frame; blocks: (width / 32, height / 8, frames), rounded up; (32, 8) threads.
extern "C" __global__ void __launch_bounds__(256)
    find_mouths(const std::uint8_t *inside, const std::int32_t height, const std::int32_t width, int *bounds) {
    const int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y, frame = blockIdx.z;
    if (x < width && y < height && inside[((std::ptrdiff_t(frame) * height + y) * width + x) * 4 + 3] > 0) {
        atomicMin(bounds + 4 * frame, x);
        atomicMin(bounds + 4 * frame + 1, y);
        atomicMax(bounds + 4 * frame + 2, x);
        atomicMax(bounds + 4 * frame + 3, y);
    }
}

// What the network gets to see. Blocks: (window_width / 32, window_height / 8, count), rounded up; (32, 8) threads.
extern "C" __global__ void __launch_bounds__(256) cut_mouths(const Mouths m, const std::int32_t picture_height) {
    const int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
    if (x >= m.window_width || y >= m.window_height) {
        return;
    }
    const View &view = m.views[blockIdx.z];
    const std::ptrdiff_t before = std::ptrdiff_t(view.frame) * m.height * m.width;
    const Place at = through(view.to_patch, float(x), float(y));
    const int pixels = m.window_height * m.window_width;
    float *out = m.crops + std::ptrdiff_t(blockIdx.z) * kInputs * pixels + y * m.window_width + x;
    for (int c = 0; c < 3; ++c) {
        out[c * pixels] = level_at(m.patch + before * 3 + c, m.height, m.width, 3, m.coarse, at) / 127.5f - 1;
    }
    const float shows = level_at(m.inside + before * 4 + 3, m.height, m.width, 4, m.coarse, at) / 255;
    out[3 * pixels] = shows;
    const float *upper = m.upper + ((m.y0 + y) * kWidth + m.x0 + x) * 3;
    const float lower_x = float(m.x0 + x) - view.down[0], lower_y = float(m.y0 + y) - view.down[1];
    for (int part = 0; part < 2; ++part) {
        const float lower = lower_at(m, part, lower_x, lower_y, picture_height) * (1 - upper[2]);
        out[(4 + part) * pixels] = shows > 0 ? upper[part] : 0.0f;
        out[(6 + part) * pixels] = shows > 0 ? lower : 0.0f;
    }
}

// What makes teeth that the network drew of the colour of those that it saw: `tone_of_teeth`. A block for each view.
extern "C" __global__ void __launch_bounds__(kThreads) tone_mouths(const Mouths m) {
    __shared__ float sums[kSums][kThreads];
    const int pixels = m.window_height * m.window_width, thread = threadIdx.x;
    const float *crop = m.crops + std::ptrdiff_t(blockIdx.x) * kInputs * pixels;
    const float *drawn = m.drawn + std::ptrdiff_t(blockIdx.x) * kOutputs * pixels;
    for (int c = 0; c < kSums; ++c) {
        sums[c][thread] = 0;
    }
    for (int at = thread; at < pixels; at += kThreads) {
        const float teeth = (crop[4 * pixels + at] + crop[6 * pixels + at]) * crop[3 * pixels + at];
        for (int c = 0; c < 3; ++c) {
            sums[c][thread] += teeth * (crop[c * pixels + at] + 1) * 127.5f;
            sums[3 + c][thread] += teeth * (drawn[c * pixels + at] + 1) * 127.5f;
        }
    }
    for (int half = kThreads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
            for (int c = 0; c < kSums; ++c) {
                sums[c][thread] += sums[c][thread + half];
            }
        }
    }
    __syncthreads();
    if (thread < 3) {
        const float found = limited((sums[thread][0] + 1) / (sums[3 + thread][0] + 1), kDarkest, kBrightest);
        const float usual = m.own_teeth ? 1.0f : sqrtf(limited(found, kUsuallyDarkest, kBrightest));
        m.tones[blockIdx.x * 3 + thread] = found / usual;
    }
}

// Colour and alpha of the windows. Blocks and threads as those of cut_mouths.
extern "C" __global__ void __launch_bounds__(256) finish_mouths(const Mouths m) {
    const int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y, view = blockIdx.z;
    if (x >= m.window_width || y >= m.window_height) {
        return;
    }
    const int pixels = m.window_height * m.window_width, at = y * m.window_width + x;
    const float *drawn = m.drawn + std::ptrdiff_t(view) * kOutputs * pixels + at;
    float *out = m.finished + (std::ptrdiff_t(view) * pixels + at) * 4;
    for (int c = 0; c < 3; ++c) {
        out[c] = (drawn[c * pixels] + 1) * 127.5f * m.tones[view * 3 + c];
    }
    tone(m, out);
    const float counts = m.share[(m.y0 + y) * kWidth + m.x0 + x];
    out[3] = drawn[3 * pixels] * counts * trust_at(m, m.crops + std::ptrdiff_t(view) * kInputs * pixels, x, y);
}

// Lays the windows over the patches; skin before a mouth stays. Blocks: (width / 32, height / 8, count), rounded up;
// (32, 8) threads.
extern "C" __global__ void __launch_bounds__(256) lay_mouths(const Mouths m) {
    const int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
    if (x >= m.width || y >= m.height) {
        return;
    }
    const View &view = m.views[blockIdx.z];
    const std::ptrdiff_t pixel = (std::ptrdiff_t(view.frame) * m.height + y) * m.width + x;
    const std::uint8_t *inside = m.inside + pixel * 4;
    if (inside[3] == 0) {
        return;
    }
    const Place at = through(view.to_window, float(x), float(y));
    const Corners c = corners_at(at.x, at.y, m.window_height, m.window_width);
    const float *window = m.finished + std::ptrdiff_t(blockIdx.z) * m.window_height * m.window_width * 4;
    float found[4];
    for (int channel = 0; channel < 4; ++channel) {
        const auto node = [&](int column, int row) { return window[(row * m.window_width + column) * 4 + channel]; };
        const float above = node(c.x0, c.y0) + c.right * (node(c.x1, c.y0) - node(c.x0, c.y0));
        const float beneath = node(c.x0, c.y1) + c.right * (node(c.x1, c.y1) - node(c.x0, c.y1));
        found[channel] = above + c.below * (beneath - above);
    }
    for (int channel = 0; channel < 3; ++channel) {
        std::uint8_t &out = m.patch[pixel * 3 + channel];
        const float change = found[3] * (float(inside[3]) / 255 * found[channel] - float(inside[channel]));
        out = std::uint8_t(nearbyintf(clamp_to(float(out) + change, 255.0f)));
    }
}
