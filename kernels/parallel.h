// Shares work out to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace mien {

// Calls body(i) for every i below count, in any order. Threads live as long as the call: one takes some ten
// microseconds to start, a batch of frames ten milliseconds, and nothing is left behind for a fork or an exit to trip
// over. Where no thread can be had, this one does the work. Passes on an exception of body.
template <typename Body> void parallel_for(int threads, int count, const Body &body) {
    std::atomic<int> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr error; // written by the first that fails, read after all have ended
    const auto work = [&] {
        try {
            for (int i = next++; i < count; i = next++) {
                body(i);
            }
        } catch (...) {
            if (!failed.exchange(true)) {
                error = std::current_exception();
            }
        }
    };
    std::vector<std::thread> others;
    others.reserve(std::max(threads, 1));
    try {
        for (int i = 1; i < std::min(threads, count); ++i) {
            others.emplace_back(work);
        }
    } catch (const std::system_error &) {
    }
    work();
    for (std::thread &other : others) {
        other.join();
    }
    if (error) {
        std::rethrow_exception(error);
    }
}

} // namespace mien
