// Short vectors by the compilers' own extension, and compiling a function for several instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// One library serves old and new processors: the loader takes the best of a function's versions. It needs glibc, and a
// GCC that knows these names of instruction sets; clang refuses to pass wide vectors into what it inlines there.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define MIEN_CLONED
#define MIEN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MIEN_CLONES
#endif

// Lanes of one vector in another order; `lanes` is a vector of as many integers.
#if defined(__clang__)
#define MIEN_SHUFFLE(value, lanes, ...) __builtin_shufflevector(value, value, __VA_ARGS__)
#else
#define MIEN_SHUFFLE(value, lanes, ...) __builtin_shuffle(value, lanes{__VA_ARGS__})
#endif

#define MIEN_INLINE inline __attribute__((always_inline))

namespace mien {

typedef float f4 __attribute__((vector_size(16)));
typedef float f8 __attribute__((vector_size(32)));
typedef float f16 __attribute__((vector_size(64)));
#if defined(MIEN_CLONED)
typedef f8 fwide; // a register of most processors that the clones are for
#else
typedef f4 fwide;
#endif
typedef std::int32_t i8 __attribute__((vector_size(32)));
typedef std::int32_t i16 __attribute__((vector_size(64)));
typedef std::int16_t s8 __attribute__((vector_size(16)));
typedef std::int16_t s16 __attribute__((vector_size(32)));
typedef std::uint8_t u16 __attribute__((vector_size(16)));

// Memory that needn't be aligned as a vector has to be.
template <typename V> MIEN_INLINE V load(const void *from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <typename V> MIEN_INLINE void store(void *to, V value) { std::memcpy(to, &value, sizeof value); }

// To the nearest of 0 to 255, halves to even. Adding 1.5 * 2^23 leaves the rounded number in the lowest bits.
MIEN_INLINE u16 to_bytes(f16 value) {
    value = value > 0.0f ? value : f16{};
    value = value < 255.0f ? value : f16{} + 255.0f;
    value += 12582912.0f;
    const i16 bits = load<i16>(&value);
    return __builtin_convertvector(__builtin_convertvector(bits & 255, s16), u16);
}

// In two steps here as well: compilers take longer ones lane by lane.
MIEN_INLINE f16 from_bytes(u16 bytes) {
    return __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(bytes, s16), i16), f16);
}

} // namespace mien
