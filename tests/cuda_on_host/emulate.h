// Enough of CUDA to compile and run kernels/*.cu on the host, a block after the other: slow, and for tests only. It
// finds wrong indices, arguments and arithmetic; not races, nor what the device rounds otherwise.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(threads)
#define __shared__ static // blocks run one after the other

struct uint2 {
    unsigned x, y;
};
struct float2 {
    float x, y;
};
struct float3 {
    float x, y, z;
};
struct float4 {
    float x, y, z, w;
};
struct short4 {
    short x, y, z, w;
};
struct Index {
    int x, y, z;
};

inline Index threadIdx, blockIdx;

namespace emulated {

constexpr int kWarp = 32;
constexpr std::size_t kStack = 1 << 16;

// Threads of a block are coroutines: each runs until it waits for the others or ends, then the next one does. So all
// have come to a barrier when the first one goes on behind it.
struct Thread {
    ucontext_t place;
    std::vector<char> stack = std::vector<char>(kStack);
    bool ended;
};

inline std::vector<Thread> threads;
inline ucontext_t scheduler;
inline std::function<void()> body;
inline int current;
inline std::vector<float> slots; // what each thread shows the others
inline int any;

inline void wait() { swapcontext(&threads[current].place, &scheduler); }

inline void start() {
    body();
    threads[current].ended = true;
}

template <typename... A, std::size_t... I>
void call(void (*kernel)(A...), void **places, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A> *>(places[I])...);
}

template <typename... A>
void run_block(void (*kernel)(A...), void **places, Index size, bool waiting) {
    const int count = size.x * size.y * size.z;
    const auto turn_to = [&](int i) {
        threadIdx = {i % size.x, i / size.x % size.y, i / size.x / size.y};
        current = i;
    };
    body = [&] { call(kernel, places, std::index_sequence_for<A...>{}); };
    if (!waiting) {
        for (int i = 0; i < count; ++i) {
            turn_to(i);
            body();
        }
        return;
    }
    if (int(threads.size()) != count) {
        threads = std::vector<Thread>(count);
        slots.assign(count, 0);
    }
    for (Thread &thread : threads) {
        getcontext(&thread.place);
        thread.place.uc_stack.ss_sp = thread.stack.data();
        thread.place.uc_stack.ss_size = kStack;
        thread.place.uc_link = &scheduler;
        makecontext(&thread.place, start, 0);
        thread.ended = false;
    }
    for (int left = count; left > 0;) {
        for (int i = 0; i < count; ++i) {
            if (!threads[i].ended) {
                turn_to(i);
                swapcontext(&scheduler, &threads[i].place);
                left -= threads[i].ended;
            }
        }
    }
}

template <typename... A>
void run(void (*kernel)(A...), void **places, const int *launch, bool waiting) {
    for (int z = 0; z < launch[2]; ++z) {
        for (int y = 0; y < launch[1]; ++y) {
            for (int x = 0; x < launch[0]; ++x) {
                blockIdx = {x, y, z};
                run_block(kernel, places, {launch[3], launch[4], launch[5]}, waiting);
            }
        }
    }
}

} // namespace emulated

inline void __syncthreads() { emulated::wait(); }

inline int __syncthreads_or(int predicate) {
    if (emulated::current == 0) {
        emulated::any = 0;
    }
    emulated::wait();
    emulated::any |= predicate;
    emulated::wait();
    return emulated::any;
}

inline int atomicMin(int *at, int value) {
    const int before = *at;
    *at = value < before ? value : before;
    return before;
}

inline int atomicMax(int *at, int value) {
    const int before = *at;
    *at = value > before ? value : before;
    return before;
}

inline float __shfl_down_sync(unsigned, float value, int by) {
    using namespace emulated;
    const int thread = current; // another one runs in between
    slots[thread] = value;
    wait();
    const float found = thread % kWarp + by < kWarp ? slots[thread + by] : value;
    wait();
    return found;
}

#define MIEN_EMULATE(kernel, waiting)                                                                                  \
    extern "C" void run_##kernel(void **places, const int *launch) {                                                   \
        emulated::run(kernel, places, launch, waiting);                                                                \
    }
