#include <immintrin.h>

#include "base/amx_tiles.h"
#include "cost/probe_loops.h"

namespace halftone {
namespace {

/// Two tiles of A times two of B: four sums that do not wait for one another.
#define HALFTONE_FOUR_SUMS(dot) \
  dot(0, 4, 6);                 \
  dot(1, 4, 7);                 \
  dot(2, 5, 6);                 \
  dot(3, 5, 7);

/// The registers of all tiles, zeroed.
void begin() {
  static constexpr AmxTiles kTiles = AmxTiles::all_full();
  load_shapes(kTiles);
}

double int8(int64_t rounds) {
  begin();
  for (int64_t i = 0; i < rounds; ++i) {
    HALFTONE_FOUR_SUMS(_tile_dpbusd)
  }
  _tile_release();
  return 4.0 * 2 * 16 * 16 * 64 * static_cast<double>(rounds);
}

double bf16(int64_t rounds) {
  begin();
  for (int64_t i = 0; i < rounds; ++i) {
    HALFTONE_FOUR_SUMS(_tile_dpbf16ps)
  }
  _tile_release();
  return 4.0 * 2 * 16 * 16 * 32 * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_amx = {nullptr, nullptr, int8, bf16};

}  // namespace halftone
