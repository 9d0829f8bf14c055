// The fast grid_sample for TensorRT, which hands a plugin's kernel its inputs, then integers, then its outputs, and keeps
// the PTX in its plans (engine/backends/plugin.py). Launch with kBlock threads; blocks: (places / kBlock, channels /
// kChannels, batch), each rounded up.
#include "grid_sample.cuh"

#define MIEN_PLUGIN(axes, mode, name, type, suffix)                                                                    \
    extern "C" __global__ void __launch_bounds__(kBlock) grid_sample_plugin_##axes##d_##name##_##suffix(               \
        const type *image, const float *grid, const std::int32_t images, const std::int32_t channels,                  \
        const std::int32_t depth, const std::int32_t height, const std::int32_t width, const std::int32_t batch,       \
        const std::int32_t out_depth, const std::int32_t out_height, const std::int32_t out_width,                     \
        const std::int32_t padding, const std::int32_t align_corners, type *out) {                                     \
        fast<axes, mode, type>({reinterpret_cast<const float *>(image), images, channels, depth, height, width, grid,  \
                                axes, batch, out_depth, out_height, out_width, mode, padding, align_corners,           \
                                reinterpret_cast<float *>(out)});                                                      \
    }
#define MIEN_PLUGINS(axes, mode, name)                                                                                 \
    MIEN_PLUGIN(axes, mode, name, float, f32)                                                                          \
    MIEN_PLUGIN(axes, mode, name, __half, f16)

MIEN_PLUGINS(2, kBilinear, bilinear)
MIEN_PLUGINS(2, kNearest, nearest)
MIEN_PLUGINS(2, kBicubic, bicubic)
MIEN_PLUGINS(3, kBilinear, bilinear)
MIEN_PLUGINS(3, kNearest, nearest)
