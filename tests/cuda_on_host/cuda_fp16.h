// Stands in for CUDA's header where kernels are compiled for the host.
#pragma once

using __half = _Float16;
