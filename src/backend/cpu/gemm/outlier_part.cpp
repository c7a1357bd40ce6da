#include "backend/cpu/gemm/outlier_part.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/checked.h"
#include "core/float16.h"
#include "scheme/dynamic.h"

namespace halftone::cpu {
namespace {

float load_scale(const std::byte* from, ScaleType type, int64_t index) {
  if (type == ScaleType::f32) {
    float value;
    std::memcpy(&value, from + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, from + index * 2, 2);
  return type == ScaleType::f16 ? to_float(Half{bits}) : to_float(BFloat16{bits});
}

/// One column of a panel's weights, decoded as QuantizedTensor::decode_row() does it.
void decode_column(const IntPanelsView& weights, const std::byte* panel, int64_t column, float* out) {
  const IntSegment* segment = weights.segments;
  while (column >= segment->end) ++segment;
  const int64_t place = segment->packed + column - segment->begin, unit_columns = kQuad * 8 / weights.bits;
  const std::byte* unit = panel + weights.codes_offset + place / unit_columns * kUnitBytes;
  const int64_t quad = place % unit_columns / kQuad, lane = place % kQuad;
  for (int64_t row = 0; row < kPanelRows; ++row) {
    const int64_t index = segment->b_group * kPanelRows + row;
    const float scale = load_scale(panel, weights.scale_type, index);
    const int32_t code =
        (static_cast<int32_t>(unit[row * kQuad + lane]) >> (quad * weights.bits)) & ((1 << weights.bits) - 1);
    if (weights.zero_kind == ZeroKind::minimum) {
      out[row] = static_cast<float>(code) * scale +
                 load_scale(panel + weights.zeros_offset, weights.scale_type, index);
      continue;
    }
    const int32_t zero = weights.zero_kind == ZeroKind::per_group
                             ? static_cast<int32_t>(panel[weights.zeros_offset + index])
                             : weights.zero;
    out[row] = static_cast<float>(code - zero) * scale;
  }
}

}  // namespace

size_t OutlierPart::workspace_bytes(int64_t m, int64_t k, int64_t workers) {
  return static_cast<size_t>(k * (m + workers * kPanelRows)) * sizeof(float);
}

OutlierPart::OutlierPart(const float* a, int64_t m, int64_t k, float threshold,
                         std::span<std::byte> workspace)
    : a_(a),
      m_(m),
      k_(k),
      columns_(outlier_columns({a, static_cast<size_t>(m * k)}, k, threshold)),
      others_(reinterpret_cast<float*>(workspace.data())),
      scratch_(others_ + m * k) {
  if (columns_.empty()) return;
  std::copy_n(a, m * k, others_);
  for (int64_t row = 0; row < m; ++row)
    for (int64_t column : columns_) others_[row * k + column] = 0;
}

void OutlierPart::add(const IntPanelsView& weights, const IntOutput& out, ThreadPool& threads) const {
  std::atomic<int64_t> next{0};
  threads.parallel_for(threads.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker)
      for (int64_t panel; (panel = next.fetch_add(1, std::memory_order_relaxed)) < weights.panels;)
        add_panel(weights, out, panel, scratch_ + worker * k_ * kPanelRows);
  });
}

void OutlierPart::add_panel(const IntPanelsView& weights, const IntOutput& out, int64_t panel,
                            float* columns) const {
  const int64_t first = panel * kPanelRows, count = std::min(kPanelRows, weights.n - first);
  for (size_t j = 0; j < columns_.size(); ++j)
    decode_column(weights, weights.data + panel * weights.panel_bytes, columns_[j],
                  columns + static_cast<int64_t>(j) * kPanelRows);
  for (int64_t m = 0; m < m_; ++m) {
    float sums[kPanelRows] = {};
    const float* column = columns;
    for (int64_t k : columns_) {
      const float x = a_[m * k_ + k];
      for (int64_t i = 0; i < kPanelRows; ++i) sums[i] += x * column[i];
      column += kPanelRows;
    }
    float* y = out.y + m * weights.n + first;
    for (int64_t i = 0; i < count; ++i) {
      y[i] += sums[i];
      if (out.alpha != 1) y[i] *= out.alpha;
      if (out.c) y[i] += out.beta * out.c[m * out.c_row_step + (first + i) * out.c_column_step];
    }
  }
}

}  // namespace halftone::cpu
