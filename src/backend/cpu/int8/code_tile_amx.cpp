#include "backend/cpu/int8/code_tile_avx512.h"
#include "backend/cpu/int8/copy_rows_avx512.h"
#include "base/amx_tiles.h"

// Registers of 16 rows of 64 bytes: 16 rows of codes, 64 codes each, times 64 codes of a panel's 16 outputs.
// A panel's quads lie as such a register wants them, 16 of them one behind the other. Codes are read where
// they lie if 16 rows stand at equal steps and whole registers of channels are under each tap; else they are
// copied first, to registers that end with zeros.

namespace halftone::cpu {
namespace {

constexpr int64_t kRegisterRows = 16;
constexpr int64_t kRegisterBytes = 64;  ///< of a row
constexpr int64_t kRegisterQuads = kRegisterBytes / kCodeQuad;
constexpr int64_t kStripes = 2;  ///< stripes of 16 rows that are multiplied at a time
constexpr int64_t kChunk = 3 * kStripes * kRegisterRows;
constexpr int64_t kSumStep = kCodeBlock * kCodePanel;
/// So few rows, or quads of all panels for a row that is copied, that the tile of vectors is faster.
constexpr int64_t kFewRows = 2, kFewQuads = 40;

/// 16 rows of codes under one tap (or of all taps, copied): row r reads from at + r * step.
struct Run {
  const uint8_t* at;
  int64_t step;
};

/// How the codes of a row are cut into registers: `runs` of `registers` each.
struct Cut {
  int64_t runs, registers;
  bool by_taps;
  Cut(int64_t taps, int64_t quads) : by_taps(quads % kRegisterQuads == 0) {
    runs = by_taps ? taps : 1;
    registers = ((by_taps ? quads : taps * quads) + kRegisterQuads - 1) / kRegisterQuads;
  }
  /// Bytes between copied rows: an odd number of cache lines, so that 16 rows lie in different sets.
  int64_t row_step() const { return (registers | 1) * kRegisterBytes; }
  int64_t run_step() const { return kRegisterRows * row_step(); }
  int64_t stripe_step() const { return runs * run_step(); }
};

/// Of the runs of two stripes, to a whole cache line.
size_t runs_bytes(const Cut& cut) {
  return (static_cast<size_t>(kStripes * cut.runs) * sizeof(Run) + 63) / 64 * 64;
}

/// Room for the runs and for copied rows.
size_t scratch_bytes(int64_t taps, int64_t quads) {
  const Cut cut(taps, quads);
  return runs_bytes(cut) + static_cast<size_t>(kStripes * cut.stripe_step() + 2 * kRegisterBytes);
}

bool at_equal_steps(const uint8_t* const* rows, int64_t step) {
  const __m512i eight =
      _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(step));
  const __m512i low = _mm512_add_epi64(_mm512_set1_epi64(reinterpret_cast<int64_t>(rows[0])), eight);
  const __m512i high = _mm512_add_epi64(low, _mm512_set1_epi64(8 * step));
  return (_mm512_cmpneq_epi64_mask(low, _mm512_loadu_si512(rows)) |
          _mm512_cmpneq_epi64_mask(high, _mm512_loadu_si512(rows + 8))) == 0;
}

/// The runs of rows [first, first + count), count <= 16.
void find_runs(const CodeTile& tile, const Cut& cut, int64_t first, int64_t count, uint8_t* copies,
               Run* runs) {
  const int64_t bytes = tile.quads * kCodeQuad;
  if (!cut.by_taps) {
    copy_rows(tile.rows + first, tile.row_step, tile.taps, bytes, count, cut.row_step(), copies);
    runs[0] = {copies, cut.row_step()};
    return;
  }
  for (int64_t tap = 0; tap < tile.taps; ++tap, copies += cut.run_step()) {
    const uint8_t* const* rows = tile.rows + tap * tile.row_step + first;
    const int64_t step = count > 1 ? rows[1] - rows[0] : 0;
    if (count == kRegisterRows && at_equal_steps(rows, step)) {
      runs[tap] = {rows[0], step};
    } else {
      copy_rows(rows, 0, 1, bytes, count, cut.row_step(), copies);
      runs[tap] = {copies, cut.row_step()};
    }
  }
}

/// Sums of one or two stripes and one or two panels: [16 rows of each stripe, kSumStep].
template <int kStripesHere, int kPanels>
void multiply(const Cut& cut, const Run* runs, const int8_t* weights, int64_t panel_bytes,
              const int32_t* bias, int32_t* sums) {
  _tile_loadd(0, bias, 0);
  if constexpr (kPanels == 2) _tile_loadd(1, bias + kCodePanel, 0);
  if constexpr (kStripesHere == 2) _tile_loadd(2, bias, 0);
  if constexpr (kStripesHere == 2 && kPanels == 2) _tile_loadd(3, bias + kCodePanel, 0);
  for (int64_t run = 0; run < cut.runs; ++run)
    for (int64_t i = 0; i < cut.registers; ++i, weights += kRegisterRows * kRegisterBytes) {
      _tile_loadd(4, runs[run].at + i * kRegisterBytes, runs[run].step);
      _tile_loadd(6, weights, kRegisterBytes);
      _tile_dpbusd(0, 4, 6);
      if constexpr (kPanels == 2) {
        _tile_loadd(7, weights + panel_bytes, kRegisterBytes);
        _tile_dpbusd(1, 4, 7);
      }
      if constexpr (kStripesHere == 2) {
        const Run& other = runs[cut.runs + run];
        _tile_loadd(5, other.at + i * kRegisterBytes, other.step);
        _tile_dpbusd(2, 5, 6);
        if constexpr (kPanels == 2) _tile_dpbusd(3, 5, 7);
      }
    }
  constexpr int64_t kStep = kSumStep * sizeof(int32_t);
  int32_t* below = sums + kRegisterRows * kSumStep;
  _tile_stored(0, sums, kStep);
  if constexpr (kPanels == 2) _tile_stored(1, sums + kCodePanel, kStep);
  if constexpr (kStripesHere == 2) _tile_stored(2, below, kStep);
  if constexpr (kStripesHere == 2 && kPanels == 2) _tile_stored(3, below + kCodePanel, kStep);
}

template <int kPanels>
void multiply_stripes(int64_t stripes, const Cut& cut, const Run* runs, const int8_t* weights,
                      int64_t panel_bytes, const int32_t* bias, int32_t* sums) {
  stripes == 2 ? multiply<2, kPanels>(cut, runs, weights, panel_bytes, bias, sums)
               : multiply<1, kPanels>(cut, runs, weights, panel_bytes, bias, sums);
}

template <int kRows, int kPanels, class Store>
void store_rows(const int32_t* sums, int64_t row, Store store) {
  __m512i x[kRows][kPanels];
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) x[r][p] = _mm512_load_si512(sums + r * kSumStep + p * kCodePanel);
  store(row, x);
}

/// `count` rows (32 at most) from `first` and kPanels panels from `panel`.
template <int kPanels, class Make>
void run_block_amx(const CodeTile& tile, const Cut& cut, const Run* runs, int64_t first, int64_t count,
                   int64_t panel, int64_t panels, Make make) {
  if (panels != kPanels) {
    if constexpr (kPanels > 1) run_block_amx<kPanels - 1>(tile, cut, runs, first, count, panel, panels, make);
    return;
  }
  alignas(64) int32_t sums[kStripes * kRegisterRows * kSumStep];
  const int64_t stripes = (count + kRegisterRows - 1) / kRegisterRows;
  const int64_t panel_bytes = tile.taps * tile.quads * kRegisterBytes;
  const int8_t* weights = tile.weights + panel * panel_bytes;
  const int32_t* bias = tile.bias + panel * kCodePanel;
  if constexpr (kPanels >= 2) multiply_stripes<2>(stripes, cut, runs, weights, panel_bytes, bias, sums);
  if constexpr (kPanels == 4)
    multiply_stripes<2>(stripes, cut, runs, weights + 2 * panel_bytes, panel_bytes, bias + 2 * kCodePanel,
                        sums + 2 * kCodePanel);
  if constexpr (kPanels % 2 == 1) {
    constexpr int kLast = kPanels - 1;
    multiply_stripes<1>(stripes, cut, runs, weights + kLast * panel_bytes, panel_bytes,
                        bias + kLast * kCodePanel, sums + kLast * kCodePanel);
  }
  const auto store = make.template operator()<kPanels>(panel);
  int64_t r = 0;
  for (; r + 4 <= count; r += 4) store_rows<4, kPanels>(sums + r * kSumStep, first + r, store);
  for (; r < count; ++r) store_rows<1, kPanels>(sums + r * kSumStep, first + r, store);
}

template <class V, class Make>
void run(const CodeTile& tile, Make make) {
  const Cut cut(tile.taps, tile.quads);
  const int64_t panels = (tile.outputs + kCodePanel - 1) / kCodePanel;
  const bool narrow = !cut.by_taps && tile.taps * tile.quads * panels < kFewQuads;
  const int64_t rest = tile.count % kRegisterRows;
  const int64_t few = narrow ? tile.count : rest <= kFewRows ? rest : 0;
  const int64_t many = tile.count - few;
  if (few > 0) run_tile<V>(tile, many, few, make);
  if (many == 0) return;
  auto* runs = reinterpret_cast<Run*>(tile.scratch);
  auto* copies = reinterpret_cast<uint8_t*>(tile.scratch + runs_bytes(cut));
  static constexpr AmxTiles kTiles = AmxTiles::all_full();
  load_shapes(kTiles);
  constexpr int64_t kRows = kStripes * kRegisterRows;
  for (int64_t first = 0; first < many; first += kRows) {
    const int64_t count = many - first < kRows ? many - first : kRows;
    for (int64_t s = 0; s * kRegisterRows < count; ++s) {
      const int64_t left = count - s * kRegisterRows;
      find_runs(tile, cut, first + s * kRegisterRows, left < kRegisterRows ? left : kRegisterRows,
                copies + s * cut.stripe_step(), runs + s * cut.runs);
    }
    finish_stores();
    for (int64_t panel = 0; panel < panels; panel += kCodeBlock)
      run_block_amx<kCodeBlock>(tile, cut, runs, first, count, panel,
                                panels - panel < kCodeBlock ? panels - panel : kCodeBlock, make);
  }
  _tile_release();
}

void to_codes(const CodeTile& tile, const CodeFinish& finish, uint8_t* out) {
  visit_finish(finish, [&]<class V>(V) { run<V>(tile, codes_store<V>(tile, finish, out)); });
}

void to_floats(const CodeTile& tile, const CodeFinish& finish, float* out) {
  using V = Avx512VnniAny;
  run<V>(tile, floats_store<V>(tile, finish, out));
}

}  // namespace

const CodeLoops code_loops_amx = {0,
                                  kCodeQuad,
                                  scratch_bytes,
                                  to_codes,
                                  to_floats,
                                  Avx512VnniAny::kActivations,
                                  kChunk,
                                  (kRegisterQuads - 1) * kRegisterBytes};

}  // namespace halftone::cpu
