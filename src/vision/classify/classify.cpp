#include "vision/classify/classify.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace halftone {
namespace {

bool are_probabilities(std::span<const float> scores) {
  double sum = 0;
  for (float score : scores) {
    if (!(score >= 0)) return false;
    sum += score;
  }
  return std::abs(sum - 1) < 1e-3;
}

}  // namespace

std::vector<ClassScore> likeliest_classes(std::span<const float> scores, int most) {
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  auto of = [&](int label) { return scores[static_cast<size_t>(label)]; };
  // NaN comes last, so that the order is one.
  auto better = [&](int a, int b) { return std::isnan(of(b)) ? !std::isnan(of(a)) : of(a) > of(b); };
  std::stable_sort(order.begin(), order.end(), better);

  const bool finished = are_probabilities(scores);
  double sum = 1;
  if (!finished) {
    sum = 0;
    for (float score : scores) sum += std::exp(double{score} - of(order[0]));
  }
  std::vector<ClassScore> best;
  for (int label : order) {
    if (best.size() == static_cast<size_t>(most)) break;
    const double probability = finished ? of(label) : std::exp(double{of(label)} - of(order[0])) / sum;
    best.push_back({label, static_cast<float>(probability)});
  }
  return best;
}

std::vector<double> log_probabilities(std::span<const float> scores) {
  std::vector<double> logs;
  if (are_probabilities(scores)) {
    for (float score : scores) logs.push_back(std::log(std::max(double{score}, 1e-30)));
    return logs;
  }
  const double most = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (float score : scores) sum += std::exp(double{score} - most);
  for (float score : scores) logs.push_back(double{score} - most - std::log(sum));
  return logs;
}

std::span<const float> class_scores(std::span<const TensorView> outputs) {
  if (outputs.empty() || outputs[0].dtype != DType::f32)
    throw UnsupportedError("expected a classifier's scores as f32 in the first output, found {}",
                           outputs.empty() ? "no output" : dtype_name(outputs[0].dtype));
  const Shape& shape = outputs[0].shape;
  int64_t widest = 1;
  for (int64_t dim : shape) widest = std::max(widest, dim);
  if (shape.elements() < 1 || widest != shape.elements())
    throw UnsupportedError("expected a classifier's scores [1, classes] in the first output, found {}",
                           shape.str());
  return outputs[0].span<float>();
}

}  // namespace halftone
