#include "backend/cpu/gemm/int_avx2_tile.h"
#include "backend/cpu/gemm/int_quantize.h"

namespace halftone::cpu {
namespace {

/// Bytes fetched ahead by all streams of weights together.
constexpr int64_t kAhead = 4096;

/// kHalves halves from half `half` (of all panels) on, whose codes lie in the panels or, where given, in
/// `unpacked`: one panel in 8 bits.
template <int kHalves>
HalfPanels<kHalves> halves_at(const IntPanelsView& weights, int64_t half, const std::byte* unpacked) {
  HalfPanels<kHalves> at;
  for (int h = 0; h < kHalves; ++h) {
    const int64_t panel = (half + h) / 2, side = (half + h) % 2;
    at.panel[h] = weights.data + panel * weights.panel_bytes;
    at.codes[h] = (unpacked ? unpacked : at.panel[h] + weights.codes_offset) + side * (kUnitBytes / 2);
    at.lane[h] = side * Avx2::kLanes;
    at.output[h] = (half + h) * Avx2::kLanes;
  }
  return at;
}

/// One set of template arguments of tile().
template <Mode kMode_, Products kProducts_, int kBits_>
struct Way {
  static constexpr Mode kMode = kMode_;
  static constexpr Products kProducts = kProducts_;
  static constexpr int kBits = kBits_;
};

/// kRows rows times `panels` panels from `panel` on, kHalves halves at a time.
template <class W, int kRows, int kHalves>
void rows_in(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
             int64_t panel, int64_t panels, const std::byte* unpacked) {
  for (int64_t half = 2 * panel; half < 2 * (panel + panels); half += kHalves)
    tile<W::kMode, W::kProducts, W::kBits, kRows, kHalves>(
        weights, rows, out, m, halves_at<kHalves>(weights, half, unpacked), unpacked ? 0 : kAhead / kHalves);
}

template <class W>
void few_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  for (int64_t panel = begin; panel < end; panel += 2) {
    const int64_t panels = panel + 1 < end ? 2 : 1;
    int64_t m = 0;
    for (; rows.rows - m >= 4; m += 4) rows_in<W, 4, 2>(weights, rows, out, m, panel, panels, nullptr);
    if (rows.rows - m == 3) rows_in<W, 3, 2>(weights, rows, out, m, panel, panels, nullptr);
    if (rows.rows - m == 2) {
      if (panels == 2)
        rows_in<W, 2, 4>(weights, rows, out, m, panel, panels, nullptr);
      else
        rows_in<W, 2, 2>(weights, rows, out, m, panel, panels, nullptr);
    }
    if (rows.rows - m == 1) {
      if (panels == 2)
        rows_in<W, 1, 4>(weights, rows, out, m, panel, panels, nullptr);
      else
        rows_in<W, 1, 2>(weights, rows, out, m, panel, panels, nullptr);
    }
  }
}

template <class W>
void many_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel,
                  const std::byte* unpacked) {
  int64_t m = 0;
  for (; rows.rows - m >= 4; m += 4) rows_in<W, 4, 2>(weights, rows, out, m, panel, 1, unpacked);
  for (; rows.rows - m >= 2; m += 2) rows_in<W, 2, 2>(weights, rows, out, m, panel, 1, unpacked);
  if (rows.rows > m) rows_in<W, 1, 2>(weights, rows, out, m, panel, 1, unpacked);
}

/// Whether each segment is eight quads.
bool has_once_eight(const IntPanelsView& weights) {
  constexpr int64_t kColumns = 8 * kQuad;
  if (weights.packed_k != weights.segment_count * kColumns) return false;
  for (int64_t s = 0; s < weights.segment_count; ++s)
    if (weights.segments[s].packed != s * kColumns) return false;
  return true;
}

template <Mode kMode>
void few_rows_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  if (rows.other) return few_rows_of<Way<kMode, Products::wide, 8>>(weights, rows, out, begin, end);
  if (weights.bits == 2) return few_rows_of<Way<kMode, Products::eight, 2>>(weights, rows, out, begin, end);
  if (weights.bits == 4 && has_once_eight(weights))
    return few_rows_of<Way<kMode, Products::once_eight, 4>>(weights, rows, out, begin, end);
  if (weights.bits == 4) return few_rows_of<Way<kMode, Products::eight, 4>>(weights, rows, out, begin, end);
  return few_rows_of<Way<kMode, Products::one, 8>>(weights, rows, out, begin, end);
}

void few_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
              int64_t end) {
  if (rows.groups == 1 && weights.zero_kind == ZeroKind::shared)
    return few_rows_by<Mode::shared>(weights, rows, out, begin, end);
  return few_rows_by<Mode::any>(weights, rows, out, begin, end);
}

template <int kBits>
void unpack_panel(const IntPanelsView& weights, int64_t panel, std::byte* to) {
  constexpr int kQuads = 8 / kBits;
  const std::byte* from = weights.data + panel * weights.panel_bytes + weights.codes_offset;
  for (int64_t k = 0; k < weights.packed_k; k += kQuads * kQuad, from += kUnitBytes)
    for (int64_t side = 0; side < kUnitBytes; side += kUnitBytes / 2) {
      __m256i quads[kQuads];
      Avx2::unpack<kBits>(from + side, quads);
      for (int64_t q = 0; q < kQuads; ++q)
        _mm256_store_si256(reinterpret_cast<__m256i*>(to + k * kPanelRows + q * kUnitBytes + side), quads[q]);
    }
}

template <Mode kMode>
void many_rows_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel,
                  std::byte* scratch) {
  if (rows.other) return many_rows_of<Way<kMode, Products::wide, 8>>(weights, rows, out, panel, nullptr);
  if (weights.bits == 8)
    return many_rows_of<Way<kMode, Products::one, 8>>(weights, rows, out, panel, nullptr);
  if (weights.bits == 4)
    unpack_panel<4>(weights, panel, scratch);
  else
    unpack_panel<2>(weights, panel, scratch);
  if (has_once_eight(weights))
    many_rows_of<Way<kMode, Products::once_eight, 8>>(weights, rows, out, panel, scratch);
  else
    many_rows_of<Way<kMode, Products::eight, 8>>(weights, rows, out, panel, scratch);
}

void many_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
               int64_t end, std::byte* scratch) {
  for (int64_t panel = begin; panel < end; ++panel) {
    if (rows.groups != 1)
      many_rows_by<Mode::any>(weights, rows, out, panel, scratch);
    else if (weights.zero_kind == ZeroKind::shared)
      many_rows_by<Mode::shared>(weights, rows, out, panel, scratch);
    else if (weights.zero_kind == ZeroKind::per_group)
      many_rows_by<Mode::zeros>(weights, rows, out, panel, scratch);
    else
      many_rows_by<Mode::minimum>(weights, rows, out, panel, scratch);
  }
}

int64_t wide_bytes(const IntPanelsView& weights, int64_t stride) {
  return weights.code_bits == 8 ? stride * int64_t{sizeof(int16_t)} : 0;
}

struct WideCodes {
  const IntPanelsView& weights;
  const IntRows& rows;

  void store(int64_t m) const {
    if (!rows.other) return;
    const int8_t* codes = rows.codes + m * rows.stride;
    int16_t* wide = wide_codes(rows) + m * rows.stride;
    for (int64_t k = 0; k < weights.packed_k; k += kQuad) {
      wide[k] = codes[k];
      wide[k + 1] = codes[k + 2];
      wide[k + 2] = codes[k + 1];
      wide[k + 3] = codes[k + 3];
    }
  }
};

}  // namespace

const IntGemmLoops int_gemm_avx2 = {
    1, 0, up_to<8>, wide_bytes, quantize_rows<Avx2, WideCodes>, few_rows, unpacked_bytes<1>, many_rows};

}  // namespace halftone::cpu
