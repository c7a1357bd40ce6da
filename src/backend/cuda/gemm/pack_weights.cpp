#include "backend/cuda/gemm/pack_weights.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <numeric>

#include "backend/cuda/gemm/place_weights.h"
#include "base/checked.h"
#include "core/float16.h"

namespace halftone::cuda {
namespace {

constexpr int64_t kAlignment = 256;
/// Codes that are packed before they are sent.
constexpr int64_t kPartBytes = int64_t{32} << 20;
/// Tiles that a thread packs with the same memory.
constexpr int64_t kTilesAtATime = 4;
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

class Packer {
 public:
  Packer(const Constant& weights, bool transposed, const std::string& name, bool halved)
      : encoded_(weights.encoding() ? weights.load_encoded(name) : nullptr),
        plain_(encoded_ ? Tensor() : weights.load()),
        transposed_(transposed) {
    const Shape& shape = weights.shape();
    WeightsView& v = view_;
    v = {};
    v.n = static_cast<int>(shape[transposed ? 0 : 1]);
    v.k = static_cast<int>(shape[transposed ? 1 : 0]);
    if (encoded_)
      describe_encoded();
    else
      describe_plain(halved);
    lay_out();
  }

  PackedWeights pack(Device& device, const std::string& name, ThreadPool& threads) {
    PackedWeights packed;
    packed.bytes = static_cast<size_t>(codes_bytes_) + parameters_.size_bytes();
    packed.memory = device.allocate(packed.bytes, fmt::format("the weights of {}", name));
    const int64_t tiles = tiles_of(view_.n), tile_bytes = this->tile_bytes();
    const int64_t part_tiles = std::clamp(kPartBytes / tile_bytes, int64_t{1}, tiles);
    Tensor part = Tensor::allocate(DType::u8, {part_tiles * tile_bytes});
    std::byte* codes = part.mutable_view().data;
    for (int64_t first = 0; first < tiles; first += part_tiles) {
      const int64_t count = std::min(part_tiles, tiles - first);
      threads.parallel_for(count, kTilesAtATime, [&](int64_t begin, int64_t end) {
        Rows rows(view_, encoded_ ? encoded_->grid().groups : 0);
        for (int64_t tile = begin; tile < end; ++tile)
          pack_tile(first + tile, reinterpret_cast<uint32_t*>(codes + tile * tile_bytes), rows);
      });
      device.upload(packed.memory.get() + first * tile_bytes, codes, static_cast<size_t>(count * tile_bytes));
    }
    std::byte* parameters = packed.memory.get() + codes_bytes_;
    device.upload(parameters, parameters_.view().data, parameters_.size_bytes());
    packed.view = view_;
    packed.view.codes = packed.memory.get();
    packed.view.row_factors = reinterpret_cast<const float*>(parameters + row_factors_);
    if (encoded_) packed.view.scales = parameters + scales_;
    if (view_.offset_kind == OffsetKind::zeros || view_.offset_kind == OffsetKind::minima)
      packed.view.offsets = parameters + offsets_;
    return packed;
  }

 private:
  /// One thread's memory, used for tile after tile.
  struct Rows {
    std::vector<float> values;          ///< [kTileRows, packed_k], plain weights
    std::vector<uint16_t> high, low;    ///< of one row
    std::vector<uint8_t> codes, taken;  ///< of one row, with and without the filling of groups
    std::vector<float> scales, minima;
    std::vector<int32_t> zeros;

    Rows(const WeightsView& v, int64_t groups) {
      const auto packed_k = static_cast<size_t>(v.packed_k), count = static_cast<size_t>(groups);
      if (groups == 0) values.resize(kTileRows * packed_k);
      high.resize(packed_k);
      low.resize(packed_k);
      codes.resize(packed_k);
      taken.resize(static_cast<size_t>(v.k));
      scales.resize(count);
      minima.resize(count);
      zeros.resize(count);
    }
  };

  int64_t unit_columns() const { return 8 * kUnitBytes / kTileRows / bits_of(view_.kind); }

  /// Columns that a group of `taken` fills: a part of a unit or whole units.
  int64_t filled_group(int64_t taken) const {
    int64_t group = kBlockColumns;
    while (group < taken && group < unit_columns()) group *= 2;
    return round_up(taken, group);
  }

  void set_columns(int64_t group, int64_t taken) {
    WeightsView& v = view_;
    const int64_t columns = ceil_div(int64_t{v.k}, taken) * group;
    v.packed_k = static_cast<int>(round_up(columns, std::max(unit_columns(), int64_t{kStepColumns})));
    if (taken >= v.k) group = taken = v.packed_k;
    v.group = static_cast<int>(group);
    v.taken = static_cast<int>(taken);
    v.groups = static_cast<int>(ceil_div(int64_t{v.packed_k}, group));
  }

  void describe_plain(bool halved) {
    WeightsView& v = view_;
    v.kind = plain_.dtype() == DType::f32 && !halved ? WeightKind::split : WeightKind::half;
    v.offset_kind = OffsetKind::none;
    set_columns(v.k, v.k);
  }

  void describe_encoded() {
    const Encoding& encoding = encoded_->encoding();
    WeightsView& v = view_;
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
    const WeightsView& v = view_;
    const int64_t tiles = tiles_of(v.n), scales = tiles * v.groups * kTileRows;
    codes_bytes_ = round_up(tiles * tile_bytes(), kAlignment);
    int64_t bytes = 0;
    const auto reserve = [&](int64_t count) {
      const int64_t begin = bytes;
      bytes = round_up(bytes + count, kAlignment);
      return begin;
    };
    row_factors_ = reserve(tiles * kTileRows * 4);
    if (encoded_) scales_ = reserve(scales * (v.f32_scales ? 4 : 2));
    if (v.offset_kind == OffsetKind::zeros) offsets_ = reserve(scales);
    if (v.offset_kind == OffsetKind::minima) offsets_ = reserve(scales * (v.f32_scales ? 4 : 2));
    parameters_ = Tensor::zeros(DType::u8, {bytes});
    parameters_data_ = parameters_.mutable_view().data;
  }

  void pack_tile(int64_t tile, uint32_t* words, Rows& rows) {
    const int64_t first = tile * kTileRows, count = std::min<int64_t>(kTileRows, view_.n - first);
    std::memset(words, 0, static_cast<size_t>(tile_bytes()));
    if (!encoded_) load_plain(first, count, rows.values);
    for (int row = 0; row < kTileRows; ++row)
      if (row >= count)
        store<float>(row_factors_, first + row, 1.0f);
      else if (encoded_)
        pack_encoded_row(tile, row, words, rows);
      else
        pack_plain_row(first + row, row, words, rows);
  }

  /// Rows [first, first + count) of B, whichever way they are stored.
  void load_plain(int64_t first, int64_t count, std::vector<float>& values) const {
    const WeightsView& v = view_;
    const auto packed_k = static_cast<size_t>(v.packed_k), k = static_cast<size_t>(v.k);
    if (transposed_) {
      for (int64_t row = 0; row < count; ++row)
        load_floats(plain_.view(), (first + row) * v.k,
                    std::span(values).subspan(static_cast<size_t>(row) * packed_k, k));
      return;
    }
    float column[kTileRows];
    for (size_t i = 0; i < k; ++i) {
      load_floats(plain_.view(), static_cast<int64_t>(i) * v.n + first,
                  std::span(column).first(static_cast<size_t>(count)));
      for (size_t row = 0; row < static_cast<size_t>(count); ++row) values[row * packed_k + i] = column[row];
    }
  }

  void pack_plain_row(int64_t n, int row, uint32_t* words, Rows& rows) {
    const WeightsView& v = view_;
    const float* values = rows.values.data() + int64_t{row} * v.packed_k;
    float largest = 0;
    for (int k = 0; k < v.k; ++k) largest = std::max(largest, std::fabs(values[k]));
    const float factor = row_factor(largest), inverse = 1 / factor;
    store<float>(row_factors_, n, factor);
    const auto k = static_cast<size_t>(v.k);
    for (size_t i = 0; i < k; ++i) rows.high[i] = half_bits(values[i] * inverse);
    const bool split = v.kind == WeightKind::split;
    place_halves(rows.high, row, split, words);
    if (!split) return;
    for (size_t i = 0; i < k; ++i)
      rows.low[i] = half_bits(values[i] * inverse - to_float(Half{rows.high[i]}));
    place_halves(rows.low, row, split, words + kUnitBytes / 4);
  }

  void pack_encoded_row(int64_t tile, int row, uint32_t* words, Rows& rows) {
    const WeightsView& v = view_;
    const int64_t n = tile * kTileRows + row;
    encoded_->row_scales(n, rows.scales);
    if (v.offset_kind == OffsetKind::minima) encoded_->row_minima(n, rows.minima);
    if (v.offset_kind == OffsetKind::zeros) encoded_->row_zeros(n, rows.zeros);
    float largest = 0;
    for (size_t g = 0; g < rows.scales.size(); ++g) {
      const int64_t at = (tile * v.groups + static_cast<int64_t>(g)) * kTileRows + row;
      store_scale(scales_, at, rows.scales[g]);
      if (v.offset_kind == OffsetKind::minima) store_scale(offsets_, at, rows.minima[g]);
      if (v.offset_kind == OffsetKind::zeros)
        store<uint8_t>(offsets_, at, static_cast<uint8_t>(rows.zeros[g]));
      largest = std::max(largest, std::fabs(rows.scales[g]) * largest_code_ + std::fabs(rows.minima[g]));
    }
    store<float>(row_factors_, n, row_factor(largest));
    encoded_->row_codes(n, rows.taken);
    for (int begin = 0, to = 0; begin < v.k; begin += v.taken, to += v.group)
      std::copy_n(rows.taken.begin() + begin, std::min(v.taken, v.k - begin), rows.codes.begin() + to);
    place_codes(rows.codes, bits_of(v.kind), row, words);
  }

  int64_t tile_bytes() const { return view_.packed_k / unit_columns() * kUnitBytes; }

  template <class T>
  void store(int64_t base, int64_t index, T value) {
    std::memcpy(parameters_data_ + base + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
  }
  void store_scale(int64_t base, int64_t index, float value) {
    if (view_.f32_scales)
      store<float>(base, index, value);
    else
      store<uint16_t>(base, index, half_bits(value));
  }

  std::shared_ptr<const QuantizedTensor> encoded_;
  Tensor plain_;
  bool transposed_;
  WeightsView view_{};
  int64_t codes_bytes_ = 0;
  Tensor parameters_;  ///< what follows the codes; offsets are its own
  std::byte* parameters_data_ = nullptr;
  std::vector<float> codebook_;
  float largest_code_ = 0;
  int64_t row_factors_ = 0, scales_ = 0, offsets_ = 0;
};

}  // namespace

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

PackedWeights pack_weights(Device& device, const Constant& weights, bool transposed, const std::string& name,
                           ThreadPool& threads, bool halved) {
  assert(packing_refusal(weights, transposed).empty());
  return Packer(weights, transposed, name, halved).pack(device, name, threads);
}

}  // namespace halftone::cuda
