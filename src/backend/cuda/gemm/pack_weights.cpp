#include "backend/cuda/gemm/pack_weights.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <numeric>

#include "base/checked.h"
#include "core/float16.h"

namespace halftone::cuda {
namespace {

constexpr int64_t kAlignment = 256;
/// Largest magnitude of a row after its power of two: in [2^7, 2^8) or, where rounding needs most room, below
/// what f16 holds by far.
constexpr int kRowExponent = 7;

int bits_of(WeightKind kind) {
  switch (kind) {
    case WeightKind::split:
      return 32;
    case WeightKind::half:
      return 16;
    case WeightKind::int4:
    case WeightKind::table4:
      return 4;
    case WeightKind::int2:
      return 2;
    default:
      return 8;
  }
}

WeightKind kind_of(const Encoding& encoding) {
  const std::string_view name = encoding.format->name();
  const int bits = encoding.format->bits();
  if (encoding.format->is_integer())
    return bits <= 2 ? WeightKind::int2 : bits <= 4 ? WeightKind::int4 : WeightKind::int8;
  if (name == "fp8_e4m3") return WeightKind::e4m3;
  if (name == "fp8_e5m2") return WeightKind::e5m2;
  return WeightKind::table4;
}

/// The power of two that `magnitude` is to be divided by; 1 where it is 0 or not finite.
float row_factor(float magnitude) {
  if (!(magnitude > 0) || !std::isfinite(magnitude)) return 1;
  return std::ldexp(1.0f, std::clamp(std::ilogb(magnitude) - kRowExponent, -120, 120));
}

uint16_t half_bits(float value) {
  return to_half(value).bits;
}

/// Where a column of a block lies: its owner t, its step s and its place in the quad.
struct Place {
  int t, s, i;
};
Place place_of(int column) {
  return {column % kBlockColumns / 8, column % 8 / 4, column % 4};
}

/// Byte of a quad that its column i has.
constexpr int kQuadByte[4] = {0, 2, 1, 3};

class Packer {
 public:
  Packer(const Constant& weights, bool transposed, const std::string& name, bool halved)
      : encoded_(weights.encoding() ? weights.load_encoded(name) : nullptr),
        plain_(encoded_ ? Tensor() : weights.load()),
        transposed_(transposed) {
    const Shape& shape = weights.shape();
    WeightsView& v = packed_.view;
    v = {};
    v.n = static_cast<int>(shape[transposed ? 0 : 1]);
    v.k = static_cast<int>(shape[transposed ? 1 : 0]);
    if (encoded_)
      describe_encoded();
    else
      describe_plain(halved);
    lay_out();
  }

  PackedWeights pack(ThreadPool& threads) {
    threads.parallel_for(tiles_of(packed_.view.n), 1, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) pack_tile(tile);
    });
    return std::move(packed_);
  }

 private:
  int64_t unit_columns() const { return 8 * kUnitBytes / kTileRows / bits_of(packed_.view.kind); }

  /// Columns that a group of `taken` fills: a part of a unit or whole units.
  int64_t filled_group(int64_t taken) const {
    int64_t group = kBlockColumns;
    while (group < taken && group < unit_columns()) group *= 2;
    return round_up(taken, group);
  }

  void set_columns(int64_t group, int64_t taken) {
    WeightsView& v = packed_.view;
    const int64_t columns = ceil_div(int64_t{v.k}, taken) * group;
    v.packed_k = static_cast<int>(round_up(columns, std::max(unit_columns(), int64_t{kStepColumns})));
    if (taken >= v.k) group = taken = v.packed_k;
    v.group = static_cast<int>(group);
    v.taken = static_cast<int>(taken);
    v.groups = static_cast<int>(ceil_div(int64_t{v.packed_k}, group));
  }

  void describe_plain(bool halved) {
    WeightsView& v = packed_.view;
    v.kind = plain_.dtype() == DType::f32 && !halved ? WeightKind::split : WeightKind::half;
    v.offset_kind = OffsetKind::none;
    set_columns(v.k, v.k);
  }

  void describe_encoded() {
    const Encoding& encoding = encoded_->encoding();
    WeightsView& v = packed_.view;
    v.kind = kind_of(encoding);
    v.offset_kind = !encoding.format->is_integer() ? OffsetKind::none
                    : encoding.real_minimum        ? OffsetKind::minima
                    : encoding.symmetric           ? OffsetKind::shared_zero
                                                   : OffsetKind::zeros;
    v.zero = 1 << (encoding.format->bits() - 1);
    v.f32_scales = encoding.scale_dtype != DType::f16 || encoding.double_quant_block != 0;
    const int64_t taken = std::min<int64_t>(encoded_->grid().group, v.k);
    set_columns(filled_group(taken), taken);
    const size_t count = size_t{1} << encoding.format->bits();
    codebook_.resize(count);
    std::vector<uint8_t> codes(count);
    std::iota(codes.begin(), codes.end(), uint8_t{0});
    CodeParams params;
    if (!encoded_->parts().codebook.empty()) params.codebook = encoded_->parts().codebook.span<float>();
    encoding.format->decode(codes, params, codebook_);
    largest_code_ = 0;
    if (encoding.format->is_integer()) {
      largest_code_ = static_cast<float>(count - 1);
    } else {
      for (float x : codebook_)
        if (std::isfinite(x)) largest_code_ = std::max(largest_code_, std::fabs(x));
    }
    if (v.kind == WeightKind::table4)
      for (size_t i = 0; i < count; ++i) {
        const uint32_t bits = half_bits(codebook_[i]), shift = 8 * (i % 4);
        v.table[i / 4] |= (bits & 0xff) << shift;
        v.table[4 + i / 4] |= (bits >> 8) << shift;
      }
  }

  void lay_out() {
    WeightsView& v = packed_.view;
    const int64_t tiles = tiles_of(v.n), scales = tiles * v.groups * kTileRows;
    int64_t bytes = 0;
    const auto reserve = [&](int64_t count) {
      const int64_t begin = bytes;
      bytes = round_up(bytes + count, kAlignment);
      return begin;
    };
    codes_ = reserve(tiles * v.packed_k / unit_columns() * kUnitBytes);
    row_factors_ = reserve(tiles * kTileRows * 4);
    if (encoded_) scales_ = reserve(scales * (v.f32_scales ? 4 : 2));
    if (v.offset_kind == OffsetKind::zeros) offsets_ = reserve(scales);
    if (v.offset_kind == OffsetKind::minima) offsets_ = reserve(scales * (v.f32_scales ? 4 : 2));
    packed_.bytes.resize(static_cast<size_t>(bytes));
    const auto at = [](int64_t offset) { return reinterpret_cast<const std::byte*>(offset); };
    v.codes = at(codes_);
    v.row_factors = reinterpret_cast<const float*>(at(row_factors_));
    v.scales = encoded_ ? at(scales_) : nullptr;
    v.offsets = offsets_ ? at(offsets_) : nullptr;
  }

  void pack_tile(int64_t tile) {
    const WeightsView& v = packed_.view;
    for (int row = 0; row < kTileRows; ++row) {
      const int64_t n = tile * kTileRows + row;
      if (n >= v.n)
        store<float>(row_factors_, n, 1.0f);
      else if (encoded_)
        pack_encoded_row(tile, row);
      else
        pack_plain_row(tile, row);
    }
  }

  void pack_plain_row(int64_t tile, int row) {
    const WeightsView& v = packed_.view;
    const int64_t n = tile * kTileRows + row;
    std::vector<float> values(static_cast<size_t>(v.k));
    if (transposed_) {
      load_floats(plain_.view(), n * v.k, values);
    } else {
      for (int64_t k = 0; k < v.k; ++k)
        load_floats(plain_.view(), k * v.n + n, std::span(values).subspan(static_cast<size_t>(k), 1));
    }
    float largest = 0;
    for (float x : values) largest = std::max(largest, std::fabs(x));
    const float factor = row_factor(largest);
    store<float>(row_factors_, n, factor);
    const bool split = v.kind == WeightKind::split;
    const int64_t units = split ? 4 : 2;  // of a block
    for (int k = 0; k < v.k; ++k) {
      const Place p = place_of(k);
      const float value = values[static_cast<size_t>(k)] / factor;
      const int64_t unit = (tile * v.packed_k + k) / kBlockColumns * units + p.s * (units / 2);
      const int64_t lane = row % 8 * 4 + p.t;
      // Word of the fragment: output g or g + 8, columns +0, +1 or +2, +3.
      const int64_t half = 2 * (row / 8 + 2 * (p.i / 2)) + p.i % 2;
      const int64_t at = unit * (kUnitBytes / 2) + lane * 8 + half;
      const uint16_t high = half_bits(value);
      store<uint16_t>(codes_, at, high);
      if (split) store<uint16_t>(codes_, at + kUnitBytes / 2, half_bits(value - to_float(Half{high})));
    }
  }

  void pack_encoded_row(int64_t tile, int row) {
    const WeightsView& v = packed_.view;
    const int64_t n = tile * kTileRows + row;
    const size_t groups = static_cast<size_t>(encoded_->grid().groups);
    std::vector<uint8_t> codes(static_cast<size_t>(v.k));
    std::vector<float> scales(groups), minima(groups);
    std::vector<int32_t> zeros(groups);
    encoded_->row_codes(n, codes);
    encoded_->row_scales(n, scales);
    if (v.offset_kind == OffsetKind::minima) encoded_->row_minima(n, minima);
    if (v.offset_kind == OffsetKind::zeros) encoded_->row_zeros(n, zeros);
    float largest = 0;
    for (size_t g = 0; g < groups; ++g) {
      const int64_t at = (tile * v.groups + static_cast<int64_t>(g)) * kTileRows + row;
      store_scale(scales_, at, scales[g]);
      if (v.offset_kind == OffsetKind::minima) store_scale(offsets_, at, minima[g]);
      if (v.offset_kind == OffsetKind::zeros) store<uint8_t>(offsets_, at, static_cast<uint8_t>(zeros[g]));
      largest = std::max(largest, std::fabs(scales[g]) * largest_code_ + std::fabs(minima[g]));
    }
    store<float>(row_factors_, n, row_factor(largest));
    for (int k = 0; k < v.k; ++k)
      put_code(tile, row, k / v.taken * v.group + k % v.taken, codes[static_cast<size_t>(k)]);
  }

  /// Sets the code of packed column p, where zeros are.
  void put_code(int64_t tile, int row, int p, uint8_t code) {
    const WeightsView& v = packed_.view;
    const Place place = place_of(p);
    const int bits = bits_of(v.kind), h = row / 8;
    const int64_t per_unit = unit_columns();
    const int64_t unit = (tile * v.packed_k + p) / per_unit;
    const int64_t lane = row % 8 * 4 + place.t;
    const int b = static_cast<int>(p % per_unit) / kBlockColumns;
    const int word = bits == 8 ? 2 * place.s + h : bits == 4 ? 2 * b + place.s : b;
    const int shift = bits == 8 ? 0 : bits == 4 ? 4 * h : 2 * h + 4 * place.s;
    const auto at =
        static_cast<size_t>(codes_ + unit * kUnitBytes + lane * 16 + word * 4 + kQuadByte[place.i]);
    packed_.bytes[at] |= static_cast<std::byte>(code << shift);
  }

  template <class T>
  void store(int64_t base, int64_t index, T value) {
    std::memcpy(packed_.bytes.data() + base + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
  }
  void store_scale(int64_t base, int64_t index, float value) {
    if (packed_.view.f32_scales)
      store<float>(base, index, value);
    else
      store<uint16_t>(base, index, half_bits(value));
  }

  std::shared_ptr<const QuantizedTensor> encoded_;
  Tensor plain_;
  bool transposed_;
  PackedWeights packed_;
  std::vector<float> codebook_;
  float largest_code_ = 0;
  int64_t codes_ = 0, row_factors_ = 0, scales_ = 0, offsets_ = 0;
};

}  // namespace

WeightsView PackedWeights::at(const std::byte* base) const {
  WeightsView moved = view;
  const auto move = [&](const void* offset) { return base + reinterpret_cast<intptr_t>(offset); };
  moved.codes = move(view.codes);
  moved.row_factors = reinterpret_cast<const float*>(move(view.row_factors));
  if (view.scales) moved.scales = move(view.scales);
  if (view.offsets) moved.offsets = move(view.offsets);
  return moved;
}

std::string packing_refusal(const Constant& weights, bool transposed) {
  if (weights.shape().rank() != 2) return fmt::format("B is {}", weights.shape().str());
  if (weights.shape().elements() == 0) return "B is empty";
  if (weights.shape()[0] > (int64_t{1} << 30) || weights.shape()[1] > (int64_t{1} << 28)) return "B is huge";
  if (!weights.encoding()) {
    if (weights.dtype() != DType::f32 && weights.dtype() != DType::f16 && weights.dtype() != DType::bf16)
      return fmt::format("B is {}", dtype_name(weights.dtype()));
    return {};
  }
  const Encoding& encoding = *weights.encoding();
  if (!transposed) return "transB is 0 and B has an encoding";
  if (encoding.granularity.kind == Granularity::Kind::per_axis && encoding.granularity.axis != 0)
    return "B's scales belong to its columns";
  if (encoding.format->bits() > 8) return "B has codes of more than 8 bits";
  // few_tokens finds a column's group by a product with 2^32 / group, which is exact below this.
  if (const ScaleGrid grid = scale_grid(encoding.granularity, weights.shape());
      grid.groups > 1 && grid.group * weights.shape()[1] >= int64_t{1} << 31)
    return fmt::format("B has groups of {} of {} columns", grid.group, weights.shape()[1]);
  if (kind_of(encoding) == WeightKind::table4 && encoding.format->bits() > 4)
    return "B's code book has more than 16 numbers";
  return {};
}

PackedWeights pack_weights(const Constant& weights, bool transposed, const std::string& name,
                           ThreadPool& threads, bool halved) {
  assert(packing_refusal(weights, transposed).empty());
  return Packer(weights, transposed, name, halved).pack(threads);
}

}  // namespace halftone::cuda
