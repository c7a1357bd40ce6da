#include "eval/classifier_comparison.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "vision/classify/classify.h"

namespace halftone {
namespace {

constexpr size_t kChunk = 256;

/// Counts of one classifier.
struct Count {
  int64_t first = 0, among_five = 0, images = 0;

  /// Whether the likeliest class is the right one.
  bool add(std::span<const float> scores, const LabelledImage& image) {
    if (static_cast<size_t>(image.label) >= scores.size())
      throw InputError("{}: class {}, where the model has {}", image.path, image.label, scores.size());
    const auto best = likeliest_classes(scores, 5);
    const bool right = best[0].label == image.label;
    first += right;
    for (const ClassScore& score : best) among_five += score.label == image.label;
    ++images;
    return right;
  }
  TopAccuracy shares() const {
    const auto count = static_cast<double>(std::max<int64_t>(images, 1));
    return {static_cast<double>(first) / count, static_cast<double>(among_five) / count, images};
  }
};

/// What the comparison needs of the reference's answer.
struct Answer {
  std::vector<double> log_probabilities;
  int best = 0;
  bool right = false;
};

double divergence(std::span<const double> reference, std::span<const double> model) {
  double sum = 0;
  for (size_t i = 0; i < reference.size(); ++i) sum += std::exp(reference[i]) * (reference[i] - model[i]);
  return sum;
}

}  // namespace

double paired_interval(int64_t gained, int64_t lost, int64_t count) {
  if (count == 0) return 0;
  const auto n = static_cast<double>(count), change = static_cast<double>(gained - lost);
  return 1.959964 * std::sqrt(static_cast<double>(gained + lost) - change * change / n) / n;
}

ClassifierComparison compare_classifiers(ImageRunner& model, ImageRunner& reference,
                                         std::span<const LabelledImage> images,
                                         const EvalProgress& progress) {
  Count ours, theirs;
  int64_t same = 0, gained = 0, lost = 0;
  double kld = 0;
  for (size_t begin = 0; begin < images.size(); begin += kChunk) {
    const auto chunk = images.subspan(begin, std::min(kChunk, images.size() - begin));
    std::vector<std::string> paths;
    for (const LabelledImage& image : chunk) paths.push_back(image.path);
    std::vector<Answer> answers;
    reference.run(paths, [&](const PreparedImage&, std::span<const TensorView> outputs) {
      const auto scores = class_scores(outputs);
      Answer& answer = answers.emplace_back();
      answer.right = theirs.add(scores, chunk[answers.size() - 1]);
      answer.best = likeliest_classes(scores, 1)[0].label;
      answer.log_probabilities = log_probabilities(scores);
    });
    size_t at = 0;
    model.run(paths, [&](const PreparedImage& image, std::span<const TensorView> outputs) {
      const auto scores = class_scores(outputs);
      const Answer& answer = answers[at];
      if (scores.size() != answer.log_probabilities.size())
        throw InputError("{}: {} classes, where the other model has {}", image.path, scores.size(),
                         answer.log_probabilities.size());
      const bool right = ours.add(scores, chunk[at++]);
      gained += right && !answer.right;
      lost += !right && answer.right;
      same += likeliest_classes(scores, 1)[0].label == answer.best;
      kld += divergence(answer.log_probabilities, log_probabilities(scores));
      if (progress) progress(ours.images, static_cast<int64_t>(images.size()));
    });
  }
  ClassifierComparison comparison{ours.shares(), theirs.shares()};
  const auto count = static_cast<double>(std::max<int64_t>(ours.images, 1));
  comparison.agreement = static_cast<double>(same) / count;
  comparison.kld_mean = kld / count;
  comparison.top1_interval = paired_interval(gained, lost, ours.images);
  return comparison;
}

}  // namespace halftone
