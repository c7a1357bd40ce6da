#include "quant/algo/gptq/rounding.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/checked.h"
#include "quant/matrix/cholesky.h"
#include "quant/matrix/scale_fit.h"

namespace halftone {
namespace {

constexpr int64_t kBlock = 128;     ///< columns between two updates of all that follow
constexpr int64_t kTileRows = 16;   ///< outputs that a thread rounds at a time
constexpr double kMostDamping = 1;  ///< of the mean diagonal

}  // namespace

struct GptqRounding::Pass {
  int64_t begin, end;             ///< outputs
  std::vector<int64_t> order;     ///< input of each column
  std::vector<float> factor;      ///< U, [inputs, inputs]; empty when there is none
  std::vector<float> importance;  ///< by column: what an error in it costs, later columns making good
  std::vector<float> work;        ///< [outputs of the pass, columns], as they come up for rounding
  std::vector<float> errors;      ///< [outputs of the pass, columns of the block]
  std::vector<double> row_losses;
  int64_t inputs;

  float* row(int64_t output) { return work.data() + (output - begin) * inputs; }
  const float* row(int64_t output) const { return work.data() + (output - begin) * inputs; }
};

GptqRounding::GptqRounding(const Tensor& weights, bool outputs_last, const Encoding& encoding,
                           const GptqOptions& options, std::string name)
    : encoding_(encoding),
      options_(options),
      name_(std::move(name)),
      shape_(weights.shape()),
      outputs_last_(outputs_last),
      grid_(scale_grid(encoding.granularity, weights.shape())) {
  options_.static_groups |= options_.act_order;
  const MatrixExtent extent = matrix_extent(shape_);
  outputs_ = outputs_last ? extent.columns : extent.rows;
  inputs_ = outputs_last ? extent.rows : extent.columns;
  const Tensor values = to_f32(weights);
  const auto stored = values.span<float>();
  weights_.resize(stored.size());
  for (int64_t r = 0; r < outputs_; ++r)
    for (int64_t c = 0; c < inputs_; ++c)
      weights_[static_cast<size_t>(r * inputs_ + c)] =
          stored[static_cast<size_t>(outputs_last ? c * outputs_ + r : r * inputs_ + c)];
  codes_.resize(weights_.size());

  const bool per_input = outputs_last && grid_.rows > 1 && !groups_along_outputs();
  const bool per_tensor = grid_.size() == 1 && outputs_ > 1;
  params_.resize(static_cast<size_t>(grid_.size()));
  if (!per_input && !per_tensor && !encoding.double_quant_block && !encoding.format->has_tensor_codebook())
    return;
  nearest_ = std::make_shared<QuantizedTensor>(quantize(weights.view(), encoding, name_));
  for (int64_t row = 0; row < grid_.rows; ++row) {
    std::vector<float> scales(static_cast<size_t>(grid_.groups)), minima(scales.size());
    std::vector<int32_t> zeros(scales.size());
    nearest_->row_scales(row, scales);
    if (encoding.real_minimum)
      nearest_->row_minima(row, minima);
    else
      nearest_->row_zeros(row, zeros);
    for (size_t g = 0; g < scales.size(); ++g) {
      CodeParams& params = params_[static_cast<size_t>(row * grid_.groups) + g];
      params = {scales[g],
                zeros[g],
                encoding.format->is_integer() && encoding.symmetric ? 1 : 0,
                minima[g],
                encoding.real_minimum,
                {}};
      if (!nearest_->parts().codebook.empty()) params.codebook = nearest_->parts().codebook.span<float>();
    }
  }
}

bool GptqRounding::groups_along_outputs() const {
  return outputs_last_ && encoding_.granularity.kind == Granularity::Kind::per_group;
}

/// Blocks end where groups do, so that what a group is fitted to holds all errors before it.
int64_t GptqRounding::block_columns() const {
  if (outputs_last_ || encoding_.granularity.kind != Granularity::Kind::per_group) return kBlock;
  const int64_t group = grid_.group;
  if (group <= kBlock) return kBlock / group * group;
  const int64_t pieces = ceil_div(group, kBlock);
  return group % pieces == 0 ? group / pieces : std::min(group, inputs_);
}

size_t GptqRounding::scale_index(int64_t output, int64_t input) const {
  const int64_t row = outputs_last_ ? input : output, column = outputs_last_ ? output : input;
  return static_cast<size_t>(row % grid_.rows * grid_.groups + column / grid_.group);
}

void GptqRounding::fit_ahead(const Pass& pass) {
  std::vector<float> values, importance, by_input(static_cast<size_t>(inputs_));
  for (int64_t j = 0; j < inputs_; ++j)
    by_input[static_cast<size_t>(pass.order[static_cast<size_t>(j)])] =
        pass.importance[static_cast<size_t>(j)];
  const float* weights = weights_.data();
  if (groups_along_outputs()) {
    for (int64_t c = 0; c < inputs_; ++c)
      for (int64_t r = pass.begin; r < pass.end; r += grid_.group) {
        values.clear();
        for (int64_t i = r; i < std::min(r + grid_.group, pass.end); ++i)
          values.push_back(weights[i * inputs_ + c]);
        params_[scale_index(r, c)] = fit_group(encoding_, values, {}, options_.search_scales);
      }
    return;
  }
  const int64_t group = outputs_last_ ? inputs_ : grid_.group;
  for (int64_t r = pass.begin; r < pass.end; ++r)
    for (int64_t c = 0; c < inputs_; c += group) {
      const auto begin = static_cast<size_t>(c), count = static_cast<size_t>(std::min(group, inputs_ - c));
      params_[scale_index(r, c)] =
          fit_group(encoding_, {weights + r * inputs_ + c, count},
                    std::span<const float>(by_input).subspan(begin, count), options_.search_scales);
    }
}

/// Columns are in their own order here.
void GptqRounding::fit_if_first(Pass& pass, int64_t output, int64_t place) {
  if (groups_along_outputs()) {
    if (output % grid_.group != 0) return;
    std::vector<float> values;
    for (int64_t r = output; r < std::min(output + grid_.group, pass.end); ++r)
      values.push_back(pass.row(r)[place]);
    params_[scale_index(output, place)] = fit_group(encoding_, values, {}, options_.search_scales);
    return;
  }
  const int64_t group = outputs_last_ ? inputs_ : grid_.group;
  if (place % group != 0) return;
  const auto count = static_cast<size_t>(std::min(group, inputs_ - place));
  params_[scale_index(output, place)] =
      fit_group(encoding_, {pass.row(output) + place, count},
                std::span<const float>(pass.importance).subspan(static_cast<size_t>(place), count),
                options_.search_scales);
}

void GptqRounding::round_tile(Pass& pass, int64_t first, int64_t last, int64_t begin, int64_t end) {
  const bool fits = !nearest_ && !options_.static_groups;
  const int64_t width = last - first;
  for (int64_t place = first; place < last; ++place) {
    const int64_t input = pass.order[static_cast<size_t>(place)];
    const float* factor = pass.factor.empty() ? nullptr : pass.factor.data() + place * inputs_;
    for (int64_t output = begin; output < end; ++output) {
      if (fits) fit_if_first(pass, output, place);
      const CodeParams& params = params_[scale_index(output, input)];
      float* row = pass.row(output);
      uint8_t& code =
          codes_[static_cast<size_t>(outputs_last_ ? input * outputs_ + output : output * inputs_ + input)];
      float rounded;
      encoding_.format->encode({row + place, 1}, params, {&code, 1});
      encoding_.format->decode({&code, 1}, params, {&rounded, 1});
      if (!factor) continue;
      const float error = (row[place] - rounded) / factor[place];
      pass.errors[static_cast<size_t>((output - pass.begin) * width + place - first)] = error;
      pass.row_losses[static_cast<size_t>(output - pass.begin)] += 0.5 * double{error} * double{error};
      for (int64_t j = place + 1; j < last; ++j) row[j] -= error * factor[j];
    }
  }
}

GptqOutcome GptqRounding::round(int64_t begin, int64_t end, const Gram& gram, ThreadPool& threads) {
  const auto n = static_cast<size_t>(inputs_);
  GptqOutcome outcome;
  std::vector<double> diagonal(n);
  double mean = 0;
  const double per_row = gram.rows() ? 2.0 / static_cast<double>(gram.rows()) : 0;
  for (int64_t i = 0; i < inputs_; ++i) {
    diagonal[static_cast<size_t>(i)] = double{gram.at(i, i)} * per_row;
    mean += diagonal[static_cast<size_t>(i)] / static_cast<double>(inputs_);
    outcome.dead += diagonal[static_cast<size_t>(i)] == 0;
  }

  Pass pass{};
  pass.begin = begin;
  pass.end = end;
  pass.inputs = inputs_;
  pass.order.resize(n);
  std::iota(pass.order.begin(), pass.order.end(), 0);
  if (options_.act_order)
    std::stable_sort(pass.order.begin(), pass.order.end(), [&](int64_t a, int64_t b) {
      return diagonal[static_cast<size_t>(a)] > diagonal[static_cast<size_t>(b)];
    });

  outcome.failed = true;
  const bool usable = std::isfinite(mean) && mean > 0;
  for (outcome.damping = options_.damping; usable && outcome.damping <= kMostDamping; outcome.damping *= 2) {
    pass.factor.resize(n * n);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j <= i; ++j)
        pass.factor[i * n + j] = static_cast<float>(double{gram.at(pass.order[i], pass.order[j])} * per_row);
    for (size_t i = 0; i < n; ++i) {
      const double own = diagonal[static_cast<size_t>(pass.order[i])];
      pass.factor[i * n + i] = static_cast<float>((own == 0 ? mean : own) + outcome.damping * mean);
    }
    outcome.failed = !factor_inverse(matrix(pass.factor.data(), inputs_, inputs_), threads);
    if (!outcome.failed) break;
  }
  pass.importance.assign(n, 1);
  if (outcome.failed)
    pass.factor.clear();
  else
    for (size_t i = 0; i < n; ++i) pass.importance[i] = 1 / (pass.factor[i * n + i] * pass.factor[i * n + i]);

  const auto count = static_cast<size_t>(end - begin);
  pass.work.resize(count * n);
  for (size_t r = 0; r < count; ++r)
    for (size_t j = 0; j < n; ++j)
      pass.work[r * n + j] =
          weights_[(static_cast<size_t>(begin) + r) * n + static_cast<size_t>(pass.order[j])];
  pass.row_losses.resize(count);
  if (!nearest_ && options_.static_groups) fit_ahead(pass);

  const int64_t block = block_columns();
  const int64_t tile = groups_along_outputs() ? grid_.group : kTileRows;
  for (int64_t first = 0; first < inputs_; first += block) {
    const int64_t last = std::min(first + block, inputs_), width = last - first;
    pass.errors.assign(count * static_cast<size_t>(width), 0);
    threads.parallel_for(end - begin, tile, [&](int64_t from, int64_t to) {
      round_tile(pass, first, last, begin + from, begin + to);
    });
    if (last == inputs_ || outcome.failed) continue;
    const MatrixView factor = matrix(pass.factor.data(), inputs_, inputs_);
    multiply(-1, matrix(pass.errors.data(), end - begin, width),
             factor.part(first, last, width, inputs_ - last), 1,
             matrix(pass.work.data(), end - begin, inputs_).part(0, last, end - begin, inputs_ - last),
             threads);
  }
  outcome.loss = std::accumulate(pass.row_losses.begin(), pass.row_losses.end(), 0.0);
  return outcome;
}

std::shared_ptr<const QuantizedTensor> GptqRounding::finish() const {
  QuantizedTensor::Parts parts;
  if (nearest_) {
    parts = nearest_->parts();
  } else {
    parts.encoding = encoding_;
    parts.shape = shape_;
    const Shape scales{grid_.rows, grid_.groups};
    parts.scales = Tensor::allocate(encoding_.scale_dtype, scales);
    if (encoding_.real_minimum) parts.minima = Tensor::allocate(encoding_.scale_dtype, scales);
    const bool has_zeros = encoding_.format->is_integer() && !encoding_.symmetric && !encoding_.real_minimum;
    if (has_zeros) parts.zeros = Tensor::allocate(DType::u8, scales);
    for (size_t i = 0; i < params_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      store_floats({&params_[i].scale, 1}, parts.scales.mutable_view(), at);
      if (encoding_.real_minimum) store_floats({&params_[i].minimum, 1}, parts.minima.mutable_view(), at);
      if (has_zeros) parts.zeros.mutable_view().span<uint8_t>()[i] = static_cast<uint8_t>(params_[i].zero);
    }
  }
  const int bits = encoding_.format->bits();
  const int64_t rows = outputs_last_ ? inputs_ : outputs_, columns = outputs_last_ ? outputs_ : inputs_;
  const int64_t row_bytes = ceil_div(columns * bits, int64_t{8});
  parts.codes = Tensor::allocate(DType::u8, {rows, row_bytes});
  const auto packed = std::as_writable_bytes(parts.codes.mutable_view().span<uint8_t>());
  for (int64_t r = 0; r < rows; ++r)
    pack_bits(std::span(codes_).subspan(static_cast<size_t>(r * columns), static_cast<size_t>(columns)), bits,
              packed.subspan(static_cast<size_t>(r * row_bytes), static_cast<size_t>(row_bytes)));
  return std::make_shared<QuantizedTensor>(std::move(parts), name_);
}

}  // namespace halftone
