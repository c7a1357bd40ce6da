#include "eval/classifier_comparison.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "vision/classify/classify.h"

namespace halftone {
namespace {

constexpr size_t kChunk = 256;

/// What one classifier says of a picture.
struct Answer {
  std::vector<double> log_probabilities;
  int best = 0;
  bool right = false, among_five = false;

  Answer(std::span<const float> scores, const LabelledImage& image)
      : log_probabilities(halftone::log_probabilities(scores)) {
    if (static_cast<size_t>(image.label) >= scores.size())
      throw InputError("{}: class {}, where the model has {}", image.path, image.label, scores.size());
    const auto likeliest = likeliest_classes(scores, 5);
    best = likeliest[0].label;
    right = best == image.label;
    for (const ClassScore& score : likeliest) among_five |= score.label == image.label;
  }
};

/// Counts of one classifier.
struct Count {
  int64_t first = 0, among_five = 0, images = 0;

  void add(const Answer& answer) {
    first += answer.right;
    among_five += answer.among_five;
    ++images;
  }
  TopAccuracy shares() const {
    const auto count = static_cast<double>(std::max<int64_t>(images, 1));
    return {static_cast<double>(first) / count, static_cast<double>(among_five) / count, images};
  }
};

/// Calls seen(picture, scores) for each that is not passed over.
template <class Seen>
void run_labelled(ImageRunner& runner, std::span<const LabelledImage> images, const Seen& seen) {
  std::vector<std::string> paths;
  for (const LabelledImage& image : images) paths.push_back(image.path);
  auto at = images.begin();
  runner.run(paths, [&](const PreparedImage& prepared, std::span<const TensorView> outputs) {
    while (at->path != prepared.path) ++at;
    seen(*at++, class_scores(outputs));
  });
}

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
    std::vector<LabelledImage> read;
    std::vector<Answer> answers;  // of the reference to what it could read
    run_labelled(reference, chunk, [&](const LabelledImage& image, std::span<const float> scores) {
      answers.emplace_back(scores, image);
      read.push_back(image);
    });
    run_labelled(model, read, [&](const LabelledImage& image, std::span<const float> scores) {
      const Answer& expected = answers[static_cast<size_t>(&image - read.data())];
      if (scores.size() != expected.log_probabilities.size())
        throw InputError("{}: {} classes, where the other model has {}", image.path, scores.size(),
                         expected.log_probabilities.size());
      const Answer says(scores, image);
      ours.add(says);
      theirs.add(expected);
      gained += says.right && !expected.right;
      lost += !says.right && expected.right;
      same += says.best == expected.best;
      kld += divergence(expected.log_probabilities, says.log_probabilities);
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
