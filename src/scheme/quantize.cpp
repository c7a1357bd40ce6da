#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "scheme/double_quant/double_quant.h"
#include "scheme/quantize_with_range.h"
#include "scheme/quantized_tensor.h"

namespace halftone {
namespace {

constexpr int64_t kNoElement = std::numeric_limits<int64_t>::max();
/// Values that a tensor's own code book is made from at most: every k-th element of a larger tensor.
constexpr int64_t kCodebookSamples = int64_t{1} << 20;
/// Values from which scales that rows share are fitted at most, but for the extremes.
constexpr int64_t kRangeSamples = int64_t{1} << 24;

/// One floating tensor on its way to codes, seen as a matrix.
class Quantizer {
 public:
  Quantizer(const TensorView& values, const Encoding& encoding, ThreadPool* pool)
      : values_(values),
        encoding_(encoding),
        format_(*encoding.format),
        extent_(matrix_extent(values.shape)),
        grid_(scale_grid(encoding.granularity, values.shape)),
        pool_(pool) {}

  /// The range of each scale group. Returns the first element that is NaN or infinite, or kNoElement.
  int64_t measure(std::vector<ValueRange>& ranges) const;
  std::vector<float> make_codebook(std::span<const ValueRange> ranges) const;
  /// Narrows the range of each scale, as measured, as `fit` has it.
  void narrow(std::vector<ValueRange>& ranges, const RangeFit& fit) const;
  /// How a group's values become codes under a scale. Of one with a code book of its own, without the book.
  CodeParams params(const ValueRange& range, float scale) const;
  /// Packed codes of all rows; params_of(scale index) gives the parameters of a group.
  template <class ParamsOf>
  void encode(const ParamsOf& params_of, std::span<std::byte> packed) const;

  const MatrixExtent& extent() const { return extent_; }
  const ScaleGrid& grid() const { return grid_; }
  int64_t row_bytes() const { return ceil_div(extent_.columns * format_.bits(), int64_t{8}); }

 private:
  ValueRange least_error(std::span<const float> values, const ValueRange& all) const;
  ValueRange percentile(std::span<const float> values, const ValueRange& all, double percent) const;
  ValueRange narrowed(std::span<const float> values, const ValueRange& all, const RangeFit& fit) const {
    return fit.kind == RangeFit::Kind::percentile ? percentile(values, all, fit.percentile)
                                                  : least_error(values, all);
  }
  void narrow_shared(std::vector<ValueRange>& ranges, const RangeFit& fit) const;
  /// Rows are handled in this many contiguous parts.
  int64_t row_parts() const {
    const int64_t most = pool_ ? int64_t{pool_->size()} * 4 : 1;
    return std::clamp<int64_t>(extent_.rows, 1, most);
  }
  /// Calls body(part, first row, last row) for each part.
  void for_row_parts(const std::function<void(int64_t, int64_t, int64_t)>& body) const;
  /// Calls body(scale index, the group's values, its first column) for the groups of one row.
  template <class Body>
  void for_groups(int64_t row, std::span<float> values, Body body) const;

  TensorView values_;
  Encoding encoding_;
  const NumberFormat& format_;
  MatrixExtent extent_;
  ScaleGrid grid_;
  ThreadPool* pool_;
};

void Quantizer::for_row_parts(const std::function<void(int64_t, int64_t, int64_t)>& body) const {
  const int64_t parts = row_parts(), step = ceil_div(extent_.rows, parts);
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      body(part, std::min(part * step, extent_.rows), std::min((part + 1) * step, extent_.rows));
  };
  if (pool_ && parts > 1)
    pool_->parallel_for(parts, 1, run);
  else
    run(0, parts);
}

template <class Body>
void Quantizer::for_groups(int64_t row, std::span<float> values, Body body) const {
  load_floats(values_, row * extent_.columns, values);
  const size_t group = static_cast<size_t>(grid_.group);
  const int64_t first = row % grid_.rows * grid_.groups;
  for (size_t begin = 0, g = 0; begin < values.size(); begin += group, ++g)
    body(static_cast<size_t>(first) + g, values.subspan(begin, std::min(group, values.size() - begin)),
         begin);
}

int64_t Quantizer::measure(std::vector<ValueRange>& ranges) const {
  const size_t size = static_cast<size_t>(grid_.size());
  const bool shared = grid_.rows < extent_.rows;  // by all rows, so each part measures its own and they merge
  std::vector<std::vector<ValueRange>> partial(static_cast<size_t>(shared ? row_parts() : 1));
  for (auto& part : partial) part.resize(size);
  std::atomic<int64_t> bad{kNoElement};

  for_row_parts([&](int64_t part, int64_t begin, int64_t end) {
    std::vector<ValueRange>& mine = partial[shared ? static_cast<size_t>(part) : 0];
    std::vector<float> values(static_cast<size_t>(extent_.columns));
    for (int64_t row = begin; row < end; ++row)
      for_groups(row, values, [&](size_t scale, std::span<const float> group, size_t column) {
        const ValueRange range = value_range(group);
        mine[scale].include(range);
        if (range.is_finite()) return;
        const auto found =
            std::find_if(group.begin(), group.end(), [](float x) { return !std::isfinite(x); });
        const int64_t element =
            row * extent_.columns + static_cast<int64_t>(column) + (found - group.begin());
        int64_t earliest = bad.load();
        while (element < earliest && !bad.compare_exchange_weak(earliest, element)) {
        }
      });
  });
  ranges = std::move(partial[0]);
  for (size_t part = 1; part < partial.size(); ++part)
    for (size_t i = 0; i < size; ++i) ranges[i].include(partial[part][i]);
  return bad;
}

std::vector<float> Quantizer::make_codebook(std::span<const ValueRange> ranges) const {
  const int64_t stride = std::max<int64_t>(1, ceil_div(extent_.rows * extent_.columns, kCodebookSamples));
  std::vector<float> values(static_cast<size_t>(extent_.columns)), samples;
  for (int64_t row = 0; row < extent_.rows; ++row) {
    const int64_t before = row * extent_.columns;
    if (round_up(before, stride) >= before + extent_.columns) continue;
    for_groups(row, values, [&](size_t scale, std::span<const float> group, size_t column) {
      const int64_t first = before + static_cast<int64_t>(column);
      const float absmax = ranges[scale].absmax();
      for (int64_t i = round_up(first, stride) - first; i < static_cast<int64_t>(group.size()); i += stride)
        samples.push_back(absmax == 0 ? 0.0f : group[static_cast<size_t>(i)] / absmax);
    });
  }
  return format_.make_codebook(samples);
}

CodeParams Quantizer::params(const ValueRange& range, float scale) const {
  CodeParams params;
  params.scale = scale;
  params.lowest = format_.is_integer() && encoding_.symmetric ? 1 : 0;
  params.real_minimum = encoding_.real_minimum;
  if (encoding_.real_minimum)
    params.minimum = round_scale(range.min, encoding_.scale_dtype);
  else
    params.zero = format_.zero_code(range, scale, encoding_.symmetric);
  return params;
}

ValueRange Quantizer::least_error(std::span<const float> values, const ValueRange& all) const {
  constexpr int kSteps = 40;
  std::vector<float> back(values.size());
  std::vector<uint8_t> codes(values.size());
  ValueRange best = all;
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= kSteps / 2; ++step) {
    const float share = 1 - static_cast<float>(step) / kSteps;
    const ValueRange range{all.min * share, all.max * share};
    const float fitted = round_scale(format_.fit_scale(range, encoding_.symmetric), encoding_.scale_dtype);
    if (fitted == 0) break;
    const CodeParams how = params(range, fitted);
    format_.encode(values, how, codes);
    format_.decode(codes, how, back);
    double error = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const float difference = back[i] - values[i];
      error += static_cast<double>(difference * difference);
    }
    if (error >= least) continue;
    least = error;
    best = range;
  }
  return best;
}

ValueRange Quantizer::percentile(std::span<const float> values, const ValueRange& all, double percent) const {
  std::vector<float> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const size_t below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, sorted.size() - 1);
    const double between = place - static_cast<double>(below);
    return static_cast<float>((1 - between) * double{sorted[below]} + between * double{sorted[above]});
  };
  const double tail = (1 - percent / 100) / 2;
  return {std::clamp(quantile(tail), all.min, 0.0f), std::clamp(quantile(1 - tail), 0.0f, all.max)};
}

void Quantizer::narrow(std::vector<ValueRange>& ranges, const RangeFit& fit) const {
  if (grid_.rows < extent_.rows) return narrow_shared(ranges, fit);
  for_row_parts([&](int64_t, int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(extent_.columns));
    for (int64_t row = begin; row < end; ++row)
      for_groups(row, values, [&](size_t scale, std::span<const float> group, size_t) {
        ranges[scale] = narrowed(group, ranges[scale], fit);
      });
  });
}

void Quantizer::narrow_shared(std::vector<ValueRange>& ranges, const RangeFit& fit) const {
  const int64_t stride = ceil_div(extent_.rows * extent_.columns, kRangeSamples);
  std::vector<std::vector<float>> seen(ranges.size());
  std::vector<float> values(static_cast<size_t>(extent_.columns));
  for (int64_t row = 0; row < extent_.rows; row += stride)
    for_groups(row, values, [&](size_t scale, std::span<const float> group, size_t) {
      seen[scale].insert(seen[scale].end(), group.begin(), group.end());
    });
  const auto body = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const size_t scale = static_cast<size_t>(i);
      ranges[scale] = narrowed(seen[scale], ranges[scale], fit);
    }
  };
  const auto count = static_cast<int64_t>(ranges.size());
  if (pool_ && count > 1)
    pool_->parallel_for(count, 1, body);
  else
    body(0, count);
}

template <class ParamsOf>
void Quantizer::encode(const ParamsOf& params_of, std::span<std::byte> packed) const {
  const size_t bytes = static_cast<size_t>(row_bytes());
  for_row_parts([&](int64_t, int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(extent_.columns));
    std::vector<uint8_t> codes(values.size());
    for (int64_t row = begin; row < end; ++row) {
      for_groups(row, values, [&](size_t scale, std::span<const float> group, size_t column) {
        format_.encode(group, params_of(scale), std::span(codes).subspan(column, group.size()));
      });
      pack_bits(codes, format_.bits(), packed.subspan(static_cast<size_t>(row) * bytes, bytes));
    }
  });
}

/// Indices of an element along each axis: "[3, 17]".
std::string place_of(int64_t element, const Shape& shape) {
  std::array<int64_t, Shape::kMaxRank> index{};
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<size_t>(axis)] = element % shape[axis];
    element /= shape[axis];
  }
  return Shape(std::span(index).first(static_cast<size_t>(shape.rank()))).str();
}

}  // namespace

float round_scale(float scale, DType dtype) {
  // f16: 65504 and 2^-14; bf16 shares f32's exponents, so only its largest number matters.
  const float largest = dtype == DType::f16 ? 65504.0f : dtype == DType::bf16 ? 0x1.fep127f : 0x1.fffffep127f;
  const float magnitude = std::min(std::abs(scale), largest);
  std::array<std::byte, sizeof(float)> bytes{};
  auto stored = [&](float value) {
    const MutableTensorView view{dtype, {1}, bytes.data()};
    store_floats({&value, 1}, view, 0);
    load_floats(view, 0, {&value, 1});
    return value;
  };
  float rounded = stored(magnitude);
  const bool subnormal = dtype == DType::f16 && magnitude < 0x1p-14f;
  if (subnormal && rounded < magnitude) rounded = stored(rounded + 0x1p-24f);
  return std::copysign(rounded, scale);
}

namespace {

QuantizedTensor quantize(const TensorView& values, const Encoding& encoding, const std::string& name,
                         ThreadPool* pool, const RangeFit& fit) {
  if (!is_float(values.dtype))
    throw UnsupportedError("{}: quantizing {} elements", name, dtype_name(values.dtype));
  const NumberFormat& format = *encoding.format;
  const Quantizer quantizer(values, encoding, pool);
  const ScaleGrid& grid = quantizer.grid();

  std::vector<ValueRange> ranges;
  if (const int64_t bad = quantizer.measure(ranges); bad != kNoElement) {
    float value;
    load_floats(values, bad, {&value, 1});
    throw InputError("{}: element {} is {}, expected a finite number", name, place_of(bad, values.shape),
                     value);
  }

  const bool empty = quantizer.extent().rows * quantizer.extent().columns == 0;
  if (fit.kind != RangeFit::Kind::extremes && !empty && !format.has_tensor_codebook())
    quantizer.narrow(ranges, fit);

  QuantizedTensor::Parts parts;
  parts.encoding = encoding;
  parts.shape = values.shape;
  std::vector<float> scales(ranges.size());
  for (size_t i = 0; i < ranges.size(); ++i) scales[i] = format.fit_scale(ranges[i], encoding.symmetric);
  if (const int64_t block = encoding.double_quant_block) {
    parts.nested = nest_scales(scales, block);
    unnest_scales(parts.nested, block, 0, scales);
  } else {
    for (float& scale : scales) scale = round_scale(scale, encoding.scale_dtype);
    parts.scales = Tensor::allocate(encoding.scale_dtype, {grid.rows, grid.groups});
    store_floats(scales, parts.scales.mutable_view(), 0);
  }

  std::span<const float> codebook;
  if (format.has_tensor_codebook()) {
    const std::vector<float> entries = quantizer.make_codebook(ranges);
    parts.codebook = Tensor::from<float>({static_cast<int64_t>(entries.size())}, std::span(entries));
    codebook = parts.codebook.span<float>();
  }
  auto params_of = [&](size_t i) {
    CodeParams params = quantizer.params(ranges[i], scales[i]);
    params.codebook = codebook;
    return params;
  };
  if (encoding.real_minimum) {
    parts.minima = Tensor::allocate(encoding.scale_dtype, {grid.rows, grid.groups});
    for (size_t i = 0; i < ranges.size(); ++i) {
      const float minimum = params_of(i).minimum;
      store_floats({&minimum, 1}, parts.minima.mutable_view(), static_cast<int64_t>(i));
    }
  } else if (format.is_integer() && !encoding.symmetric) {
    parts.zeros = Tensor::allocate(DType::u8, {grid.rows, grid.groups});
    const auto zeros = parts.zeros.mutable_view().span<uint8_t>();
    for (size_t i = 0; i < zeros.size(); ++i) zeros[i] = static_cast<uint8_t>(params_of(i).zero);
  }
  parts.codes = Tensor::allocate(DType::u8, {quantizer.extent().rows, quantizer.row_bytes()});
  quantizer.encode(params_of, std::as_writable_bytes(parts.codes.mutable_view().span<uint8_t>()));
  return QuantizedTensor(std::move(parts), name);
}

}  // namespace

QuantizedTensor quantize(const TensorView& values, const Encoding& encoding, const std::string& name,
                         ThreadPool* pool) {
  return quantize(values, encoding, name, pool, RangeFit{});
}

QuantizedTensor quantize_with_range(const TensorView& values, const Encoding& encoding, const RangeFit& fit,
                                    const std::string& name, ThreadPool* pool) {
  return quantize(values, encoding, name, pool, fit);
}

}  // namespace halftone
