#include "backend/cpu/gemm/int_panels.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <tuple>
#include <utility>

#include "backend/cpu/gemm/panel_words.h"
#include "backend/packed_store.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "ops/constant.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

int packed_bits(int bits) {
  return bits <= 2 ? 2 : bits <= 4 ? 4 : 8;
}

/// Double-quantized scales are not of a stored type; f32 holds their product exactly as decoding rounds it.
ScaleType scale_type(const Encoding& encoding) {
  if (encoding.double_quant_block != 0 || encoding.scale_dtype == DType::f32) return ScaleType::f32;
  return encoding.scale_dtype == DType::f16 ? ScaleType::f16 : ScaleType::bf16;
}

int64_t bytes_of(ScaleType type) {
  return type == ScaleType::f32 ? 4 : 2;
}

void store_scale(std::byte* to, ScaleType type, int64_t index, float value) {
  if (type == ScaleType::f32) {
    std::memcpy(to + index * 4, &value, 4);
    return;
  }
  const uint16_t bits = type == ScaleType::f16 ? to_half(value).bits : to_bfloat16(value).bits;
  std::memcpy(to + index * 2, &bits, 2);
}

/// Codes of one row into its lane of each unit. A quad is a word of four bytes below 2^bits, so several of
/// them shift into one word without touching each other.
void pack_codes(std::span<const uint8_t> codes, int bits, std::byte* lane) {
  const size_t quads = static_cast<size_t>(8 / bits);
  for (const uint8_t* from = codes.data(); from != codes.data() + codes.size(); lane += kUnitBytes) {
    uint32_t word = 0;
    for (size_t q = 0; q < quads; ++q, from += kQuad) {
      uint32_t quad;
      std::memcpy(&quad, from, sizeof(quad));
      word |= quad << (q * static_cast<size_t>(bits));
    }
    std::memcpy(lane, &word, sizeof(word));
  }
}

}  // namespace

bool quantizes_alike(const IntPanelsView& a, const IntPanelsView& b) {
  const auto columns = [](const IntSegment& s) {
    return std::tuple(s.begin, s.end, s.packed, s.a_group, s.units);
  };
  return a.k == b.k && a.packed_k == b.packed_k && a.bits == b.bits && a.zero_kind == b.zero_kind &&
         a.zero == b.zero &&
         std::equal(a.segments, a.segments + a.segment_count, b.segments, b.segments + b.segment_count,
                    [&](const IntSegment& x, const IntSegment& y) { return columns(x) == columns(y); });
}

IntPanels::IntPanels(const Constant& weights, const std::string& name, int64_t a_group, bool may_wait,
                     ThreadPool& threads) {
  const Encoding& encoding = *weights.encoding();
  const ScaleGrid grid = scale_grid(encoding.granularity, weights.shape());
  const MatrixExtent extent = matrix_extent(weights.shape());
  IntPanelsView& v = view_;
  v.n = extent.rows;
  v.k = extent.columns;
  v.panels = ceil_div(v.n, kPanelRows);
  v.bits = packed_bits(encoding.format->bits());
  v.code_bits = encoding.format->bits();
  v.zero = 1 << (v.code_bits - 1);
  v.scale_type = scale_type(encoding);
  v.zero_kind = encoding.real_minimum ? ZeroKind::minimum
                : encoding.symmetric  ? ZeroKind::shared
                                      : ZeroKind::per_group;
  v.reading = cpu_is_zen5() ? Reading::in_order : cpu_is_amd() ? Reading::next_panels : Reading::ahead;

  const int64_t unit_columns = kQuad * 8 / v.bits;
  int64_t units = 0;
  for (const GemmSegment& segment : gemm_segments(v.k, a_group, grid.group)) {
    const int64_t count = ceil_div(segment.end - segment.begin, unit_columns);
    segments_.push_back(
        {segment.begin, segment.end, units * unit_columns, segment.a_group, segment.b_group, count});
    units += count;
  }
  v.segments = segments_.data();
  v.segment_count = static_cast<int64_t>(segments_.size());
  v.packed_k = units * unit_columns;

  const int64_t scales = grid.groups * kPanelRows;
  const int64_t zero_bytes = v.zero_kind == ZeroKind::minimum     ? bytes_of(v.scale_type)
                             : v.zero_kind == ZeroKind::per_group ? 1
                                                                  : 0;
  v.zeros_offset = round_up(scales * bytes_of(v.scale_type), kUnitBytes);
  v.codes_offset = v.zeros_offset + round_up(scales * zero_bytes, kUnitBytes);
  v.panel_bytes = v.codes_offset + units * kUnitBytes;
  memory_ = PackedMemory::find(bytes());
  packed_ = std::as_const(memory_).data();
  if (are_packed()) return;
  source_ = weights.load_encoded(name);
  assert(source_.load()->encoding() == encoding);
  PackedStore* store = PackedStore::current();
  if (may_wait && store && store->leave(*this)) return;
  pack(threads);
  if (store) store->keep(memory_.shared(), bytes());
}

IntPanelsView IntPanels::view() const {
  IntPanelsView view = view_;
  view.data = packed_.load(std::memory_order_acquire);
  return view;
}

std::span<const std::byte> IntPanels::source() const {
  return source_.load()->parts().codes.view().bytes();
}

std::shared_ptr<const std::byte> IntPanels::pack(ThreadPool& threads) {
  const std::shared_ptr<const QuantizedTensor> source = source_.load();
  PackedMemory memory(bytes());
  threads.parallel_for(view_.panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel)
      pack_panel(*source, panel, memory.data() + panel * view_.panel_bytes);
  });
  memory_ = memory;
  packed_.store(memory_.shared().get(), std::memory_order_release);
  source_ = std::shared_ptr<const QuantizedTensor>();
  return memory_.shared();
}

IntPanelsView IntPanels::part(int64_t begin, int64_t end, std::byte* scratch) const {
  IntPanelsView part = view();
  if (part.data) return part;
  const std::shared_ptr<const QuantizedTensor> source = source_.load();
  if (!source) return view();  // packed meanwhile
  for (int64_t panel = begin; panel < end; ++panel)
    pack_panel(*source, panel, scratch + (panel - begin) * part.panel_bytes);
  part.data = scratch - begin * part.panel_bytes;
  return part;
}

void IntPanels::pack_panel(const QuantizedTensor& weights, int64_t panel, std::byte* to) const {
  const IntPanelsView& v = view_;
  const int64_t first = panel * kPanelRows, rows = std::min(kPanelRows, v.n - first);
  const bool whole = rows == kPanelRows;
  std::memset(to, 0, static_cast<size_t>(v.codes_offset));
  if (v.code_bits == v.bits && v.packed_k == v.k && whole) {
    const Tensor& codes = weights.parts().codes;
    const int64_t row_bytes = codes.shape()[1];
    pack_words(codes.view().data + first * row_bytes, row_bytes, row_bytes / kQuad, v.bits,
               to + v.codes_offset);
  } else {
    pack_rows(weights, first, rows, to + v.codes_offset);
  }
  const ScaleGrid& grid = weights.grid();
  if (whole && grid.rows == v.n && weights.encoding().double_quant_block == 0) {
    const auto pack = [&](const Tensor& from, std::byte* into) {
      const auto size = static_cast<int64_t>(dtype_bytes(from.dtype()));
      pack_elements(from.view().data + first * grid.groups * size, grid.groups, size, into);
    };
    pack(weights.parts().scales, to);
    if (v.zero_kind == ZeroKind::minimum) pack(weights.parts().minima, to + v.zeros_offset);
    if (v.zero_kind == ZeroKind::per_group) pack(weights.parts().zeros, to + v.zeros_offset);
  } else {
    pack_scales(weights, first, rows, to);
  }
}

void IntPanels::pack_rows(const QuantizedTensor& weights, int64_t first, int64_t rows, std::byte* to) const {
  const IntPanelsView& v = view_;
  std::memset(to, 0, static_cast<size_t>(v.panel_bytes - v.codes_offset));
  std::vector<uint8_t> codes(static_cast<size_t>(v.k)), padded(static_cast<size_t>(v.packed_k));
  for (int64_t row = 0; row < rows; ++row) {
    weights.row_codes(first + row, codes);
    for (const IntSegment& segment : segments_)
      std::copy(codes.begin() + segment.begin, codes.begin() + segment.end, padded.begin() + segment.packed);
    pack_codes(padded, v.bits, to + row * kQuad);
  }
}

void IntPanels::pack_scales(const QuantizedTensor& weights, int64_t first, int64_t rows,
                            std::byte* to) const {
  const IntPanelsView& v = view_;
  const size_t groups = static_cast<size_t>(weights.grid().groups);
  std::vector<float> scales(groups), minima(groups);
  std::vector<int32_t> zeros(groups);
  for (int64_t row = 0; row < rows; ++row) {
    weights.row_scales(first + row, scales);
    if (v.zero_kind == ZeroKind::minimum) weights.row_minima(first + row, minima);
    if (v.zero_kind == ZeroKind::per_group) weights.row_zeros(first + row, zeros);
    for (size_t g = 0; g < groups; ++g) {
      const int64_t index = static_cast<int64_t>(g) * kPanelRows + row;
      store_scale(to, v.scale_type, index, scales[g]);
      if (v.zero_kind == ZeroKind::minimum) store_scale(to + v.zeros_offset, v.scale_type, index, minima[g]);
      if (v.zero_kind == ZeroKind::per_group) to[v.zeros_offset + index] = static_cast<std::byte>(zeros[g]);
    }
  }
}

}  // namespace halftone::cpu
