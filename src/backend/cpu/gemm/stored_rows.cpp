#include "backend/cpu/gemm/stored_rows.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"

namespace halftone::cpu {
namespace {

RowKind row_kind(DType dtype) {
  return dtype == DType::f32 ? RowKind::f32 : dtype == DType::f16 ? RowKind::f16 : RowKind::bf16;
}

}  // namespace

StoredRows::StoredRows(const OpSite& site) {
  const Constant& b = *site.inputs[1].constant;
  if (b.encoding())
    set_encoded(b.load_encoded(std::string(site.name)));
  else
    set_plain(b.load());
}

size_t StoredRows::bytes() const {
  const size_t stored = encoded_ ? encoded_->stored_bytes() : plain_.size_bytes();
  return stored + scales_.size() * sizeof(float) + table_.size() * sizeof(float);
}

void StoredRows::set_plain(Tensor weights) {
  plain_ = std::move(weights);
  const int64_t n = plain_.shape()[0], k = plain_.shape()[1];
  view_.kind = row_kind(plain_.dtype());
  view_.n = n;
  view_.k = k;
  view_.group = k;
  view_.row_bytes = k * static_cast<int64_t>(dtype_bytes(plain_.dtype()));
  view_.data = plain_.view().data;
  view_.data_end = view_.data + n * view_.row_bytes;
}

void StoredRows::set_encoded(std::shared_ptr<const QuantizedTensor> weights) {
  encoded_ = std::move(weights);
  const QuantizedTensor::Parts& parts = encoded_->parts();
  const Encoding& encoding = encoded_->encoding();
  const ScaleGrid& grid = encoded_->grid();
  WeightRows& v = view_;
  v.bits = encoding.format->bits();
  v.n = encoded_->rows();
  v.k = encoded_->columns();
  v.row_bytes = ceil_div(v.k * v.bits, int64_t{8});
  v.data = parts.codes.view().data;
  v.data_end = v.data + v.n * v.row_bytes;
  v.group = grid.group;
  v.scale_step = grid.rows == 1 ? 0 : grid.groups;
  v.scale_kind = row_kind(encoding.scale_dtype);
  v.scales = parts.scales.view().data;
  if (encoding.double_quant_block != 0) expand_nested_scales();
  if (encoding.format->is_integer()) {
    v.kind = encoding.real_minimum ? RowKind::minimum : RowKind::integers;
    v.minima = parts.minima.view().data;
    v.shared_zero = 1 << (v.bits - 1);
    if (!parts.zeros.empty()) v.zeros = parts.zeros.span<uint8_t>().data();
  } else {
    v.kind = RowKind::table;
    std::vector<uint8_t> codes(size_t{1} << v.bits);
    std::iota(codes.begin(), codes.end(), uint8_t{0});
    table_.resize(std::max<size_t>(codes.size(), 16));
    CodeParams params;
    if (!parts.codebook.empty()) params.codebook = parts.codebook.span<float>();
    encoding.format->decode(codes, params, std::span(table_).first(codes.size()));
    v.table = table_.data();
  }
}

void StoredRows::expand_nested_scales() {
  const ScaleGrid& grid = encoded_->grid();
  const size_t groups = static_cast<size_t>(grid.groups);
  scales_.resize(static_cast<size_t>(grid.size()));
  for (int64_t row = 0; row < grid.rows; ++row)
    encoded_->row_scales(row, std::span(scales_).subspan(static_cast<size_t>(row) * groups, groups));
  view_.scale_kind = RowKind::f32;
  view_.scales = reinterpret_cast<const std::byte*>(scales_.data());
}

}  // namespace halftone::cpu
