#include <immintrin.h>

#include "backend/cpu/gemm/gemm_bf16_loops.h"
#include "base/amx_tiles.h"

namespace halftone::cpu {
namespace {

/// Registers: sums of output tile i and row tile j in 2 i + j, weights in 4 and 5, rows in 6 and 7.
struct AmxProducts {
  AmxProducts() {
    static constexpr AmxTiles kTiles = AmxTiles::all_full();
    load_shapes(kTiles);
  }
  ~AmxProducts() { _tile_release(); }

  template <int kParts, int kRowParts, int kN, int kM>
  static void run(const std::byte* weights, const std::byte* rows, int64_t steps, float* sums, int64_t down,
                  bool first) {
    finish_stores();
    begin<kN, kM>(sums, down, first);
    const int64_t n_step = steps * kParts * kBf16TileBytes, m_step = steps * kRowParts * kBf16TileBytes;
    for (int64_t s = 0; s < steps; ++s) {
      for (int i = 0; i < kParts; ++i) {
        _tile_loadd(4, weights, 64);
        if constexpr (kN == 2) _tile_loadd(5, weights + n_step, 64);
        weights += kBf16TileBytes;
        for (int j = 0; j < kRowParts && i + j < kMostParts; ++j) {
          const std::byte* part = rows + j * kBf16TileBytes;
          _tile_loadd(6, part, 64);
          _tile_dpbf16ps(0, 4, 6);
          if constexpr (kN == 2) _tile_dpbf16ps(2, 5, 6);
          if constexpr (kM == 2) {
            _tile_loadd(7, part + m_step, 64);
            _tile_dpbf16ps(1, 4, 7);
            if constexpr (kN == 2) _tile_dpbf16ps(3, 5, 7);
          }
        }
      }
      rows += kRowParts * kBf16TileBytes;
    }
    _tile_stored(0, sums, 64);
    if constexpr (kM == 2) _tile_stored(1, sums + kTileFloats, 64);
    if constexpr (kN == 2) _tile_stored(2, sums + down, 64);
    if constexpr (kN == 2 && kM == 2) _tile_stored(3, sums + down + kTileFloats, 64);
  }

 private:
  template <int kN, int kM>
  static void begin(const float* sums, int64_t down, bool first) {
    if (first) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      return;
    }
    _tile_loadd(0, sums, 64);
    if constexpr (kM == 2) _tile_loadd(1, sums + kTileFloats, 64);
    if constexpr (kN == 2) _tile_loadd(2, sums + down, 64);
    if constexpr (kN == 2 && kM == 2) _tile_loadd(3, sums + down + kTileFloats, 64);
  }
};

}  // namespace

const Bf16GemmLoops bf16_gemm_amx = kBf16GemmLoops<AmxProducts>;

}  // namespace halftone::cpu
