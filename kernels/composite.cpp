// The composite on the host: every pixel is read once and written once.
#include "composite.h"

#include "parallel.h"
#include "simd.h"

namespace mien {
namespace {

MIEN_CLONES void write_rows(const MienComposite &c, int frame, int pair) {
    for (int y = 2 * pair; y < 2 * pair + 2 && y < c.height; ++y) {
        for (int x = 0; x < c.width; ++x) {
            write_rgb(c, frame, y, x);
        }
    }
}

MIEN_CLONES void write_rows_nv12(const MienComposite &c, int frame, int pair) {
    for (int x = 0; x < c.width; x += 2) {
        write_nv12(c, frame, 2 * pair, x);
    }
}

} // namespace
} // namespace mien

extern "C" int mien_composite(const MienComposite *composite, int threads) {
    const MienComposite &c = *composite;
    if (c.rgb == nullptr && (c.height % 2 || c.width % 2)) {
        return 2;
    }
    const int pairs = (c.height + 1) / 2; // of rows
    mien::parallel_for(threads, c.frames * pairs, [&](int i) {
        if (c.rgb != nullptr) {
            mien::write_rows(c, i / pairs, i % pairs);
        } else {
            mien::write_rows_nv12(c, i / pairs, i % pairs);
        }
    });
    return 0;
}
