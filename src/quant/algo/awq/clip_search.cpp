#include "quant/algo/awq/clip_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/matrix/scale_fit.h"

namespace halftone {
namespace {

constexpr int kSteps = 20;       ///< of a whole
constexpr int kCandidates = 10;  ///< 1 to 0.55
constexpr int64_t kRows = 16;    ///< outputs that a thread tries at a time

/// The weights of all outputs in one group of inputs.
class GroupSearch {
 public:
  GroupSearch(MutableMatrixView weights, const Encoding& encoding, const Gram& gram, ThreadPool& threads)
      : weights_(weights), encoding_(encoding), threads_(threads) {
    const int64_t n = weights.columns;
    products_.resize(static_cast<size_t>(n * n));
    for (int64_t a = 0; a < n; ++a)
      for (int64_t b = 0; b < n; ++b) products_[static_cast<size_t>(a * n + b)] = gram.at(a, b);
    change_.resize(static_cast<size_t>(weights.rows * n));
    weighed_.resize(change_.size());
  }

  /// Clamps each output's weights to its best clip.
  void run() {
    const auto rows = static_cast<size_t>(weights_.rows);
    std::vector<double> least(rows, std::numeric_limits<double>::infinity());
    std::vector<float> clip(rows);
    for (int step = 0; step < kCandidates; ++step) {
      const float ratio = 1 - static_cast<float>(step) / kSteps;
      const std::vector<double> errors = errors_at(ratio);
      for (size_t r = 0; r < rows; ++r) {
        if (!(errors[r] < least[r])) continue;
        least[r] = errors[r];
        clip[r] = ratio * value_range(row(weights_, r)).absmax();
      }
    }
    for (size_t r = 0; r < rows; ++r)
      for (float& w : row(weights_, r)) w = std::clamp(w, -clip[r], clip[r]);
  }

 private:
  static std::span<float> row(MutableMatrixView of, size_t r) {
    return {&of.at(static_cast<int64_t>(r), 0), static_cast<size_t>(of.columns)};
  }

  /// By output: d^T G d for the change d of its weights.
  std::vector<double> errors_at(float ratio) {
    const int64_t n = weights_.columns;
    const MutableMatrixView change = matrix(change_.data(), weights_.rows, n);
    const MutableMatrixView weighed = matrix(weighed_.data(), weights_.rows, n);
    threads_.parallel_for(weights_.rows, kRows, [&](int64_t begin, int64_t end) {
      std::vector<uint8_t> codes(static_cast<size_t>(n));
      std::vector<float> clamped(codes.size());
      for (auto r = static_cast<size_t>(begin); r < static_cast<size_t>(end); ++r) {
        const auto weights = row(weights_, r), out = row(change, r);
        const float limit = ratio * value_range(weights).absmax();
        for (size_t i = 0; i < clamped.size(); ++i) clamped[i] = std::clamp(weights[i], -limit, limit);
        const CodeParams params = fit_group(encoding_, clamped, {}, false);
        encoding_.format->encode(clamped, params, codes);
        encoding_.format->decode(codes, params, out);
        for (size_t i = 0; i < out.size(); ++i) out[i] -= weights[i];
      }
    });
    multiply(1, change, matrix(products_.data(), n, n), 0, weighed, threads_);
    std::vector<double> errors(static_cast<size_t>(weights_.rows));
    for (size_t r = 0; r < errors.size(); ++r) {
      const auto d = row(change, r), g = row(weighed, r);
      for (size_t i = 0; i < d.size(); ++i) errors[r] += static_cast<double>(d[i] * g[i]);
    }
    return errors;
  }

  MutableMatrixView weights_;
  const Encoding& encoding_;
  ThreadPool& threads_;
  std::vector<float> products_;          ///< [columns, columns]
  std::vector<float> change_, weighed_;  ///< [outputs, columns]
};

}  // namespace

GroupGrams::GroupGrams(int64_t inputs, int64_t group) : group_(group) {
  for (int64_t first = 0; first < inputs; first += group)
    grams_.emplace_back(std::min(group, inputs - first));
}

void GroupGrams::add(MatrixView rows, ThreadPool& threads) {
  for (size_t g = 0; g < grams_.size(); ++g)
    grams_[g].add(rows.part(0, static_cast<int64_t>(g) * group_, rows.rows, grams_[g].columns()), threads);
}

void GroupGrams::add(const GroupGrams& other) {
  for (size_t g = 0; g < grams_.size(); ++g) grams_[g].add(other.grams_[g]);
}

bool GroupGrams::is_finite() const {
  for (const Gram& gram : grams_)
    for (int64_t i = 0; i < gram.columns(); ++i)
      if (!std::isfinite(gram.at(i, i))) return false;
  return true;
}

std::shared_ptr<const QuantizedTensor> search_clips(const Tensor& weights, const Encoding& encoding,
                                                    const GroupGrams& inputs, const std::string& name,
                                                    ThreadPool& threads) {
  Tensor clipped = Tensor::allocate(DType::f32, weights.shape());
  const auto values = clipped.mutable_view().span<float>();
  load_floats(weights.view(), 0, values);
  const MatrixExtent extent = matrix_extent(weights.shape());
  const MutableMatrixView all = matrix(values.data(), extent.rows, extent.columns);
  int64_t first = 0;
  for (const Gram& gram : inputs.grams()) {
    GroupSearch(all.part(0, first, extent.rows, gram.columns()), encoding, gram, threads).run();
    first += gram.columns();
  }
  return std::make_shared<QuantizedTensor>(quantize(clipped.view(), encoding, name, &threads));
}

}  // namespace halftone
