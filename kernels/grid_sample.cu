// grid_sample on the device, each version for each kind of sampling. Launch with kBlock threads; blocks are said at the
// versions, in grid_sample.cuh.
#include "grid_sample.cuh"

#define MIEN_SAMPLER(version, axes, mode, name, type, suffix)                                                          \
    extern "C" __global__ void __launch_bounds__(kBlock)                                                               \
        grid_sample_##version##_##axes##d_##name##_##suffix(const MienSampling sampling) {                             \
        version<axes, mode, type>(sampling);                                                                           \
    }
#define MIEN_SAMPLERS(axes, mode, name)                                                                                \
    MIEN_SAMPLER(naive, axes, mode, name, float, f32)                                                                  \
    MIEN_SAMPLER(naive, axes, mode, name, __half, f16)                                                                 \
    MIEN_SAMPLER(fast, axes, mode, name, float, f32)                                                                   \
    MIEN_SAMPLER(fast, axes, mode, name, __half, f16)

MIEN_SAMPLERS(2, kBilinear, bilinear)
MIEN_SAMPLERS(2, kNearest, nearest)
MIEN_SAMPLERS(2, kBicubic, bicubic)
MIEN_SAMPLERS(3, kBilinear, bilinear)
MIEN_SAMPLERS(3, kNearest, nearest)
