#include "eval/image_accuracy.h"

#include <charconv>

#include "base/error.h"
#include "vision/classify/classify.h"

namespace halftone {

std::vector<LabelledImage> read_labelled_images(const fs::path& folder) {
  const fs::path path = folder / "labels.txt";
  const std::string text = read_text(path, size_t{256} << 20);
  std::vector<LabelledImage> images;
  int line_number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    ++line_number;
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty()) continue;
    const size_t gap = line.find_last_of(" \t");
    int label = -1;
    const char* number = line.data() + (gap == std::string::npos ? 0 : gap + 1);
    const auto [last, error] = std::from_chars(number, line.data() + line.size(), label);
    if (gap == std::string::npos || error != std::errc() || last != line.data() + line.size() || label < 0)
      throw InputError("{}: line {}: expected FILE CLASS, found \"{}\"", path.string(), line_number,
                       line.substr(0, 80));
    images.push_back({(folder / line.substr(0, line.find_last_not_of(" \t", gap) + 1)).string(), label});
  }
  if (images.empty()) throw InputError("{}: no line FILE CLASS", path.string());
  return images;
}

TopAccuracy measure_top_accuracy(ImageRunner& runner, std::span<const LabelledImage> images,
                                 const EvalProgress& progress) {
  std::vector<std::string> paths;
  for (const LabelledImage& image : images) paths.push_back(image.path);
  TopAccuracy accuracy;
  int64_t first = 0, among_five = 0;
  auto at = images.begin();
  runner.run(paths, [&](const PreparedImage& image, std::span<const TensorView> outputs) {
    const auto scores = class_scores(outputs);
    while (at->path != image.path) ++at;  // past those that were passed over
    const int label = at++->label;
    if (static_cast<size_t>(label) >= scores.size())
      throw InputError("{}: class {}, where the model has {}", image.path, label, scores.size());
    const auto best = likeliest_classes(scores, 5);
    first += best[0].label == label;
    for (const ClassScore& score : best) among_five += score.label == label;
    ++accuracy.images;
    if (progress) progress(accuracy.images, static_cast<int64_t>(images.size()));
  });
  accuracy.top1 = static_cast<double>(first) / static_cast<double>(accuracy.images);
  accuracy.top5 = static_cast<double>(among_five) / static_cast<double>(accuracy.images);
  return accuracy;
}

AveragePrecision measure_average_precision(ImageRunner& runner, const Detector& detector,
                                           const Detector::Settings& settings,
                                           const CocoAnnotations& annotations, const fs::path& images,
                                           const EvalProgress& progress) {
  const size_t categories = annotations.categories.size();
  std::vector<std::string> paths;
  for (const auto& picture : annotations.pictures) paths.push_back((images / picture.file).string());
  std::vector<FoundBox> found;
  size_t at = 0, done = 0;
  runner.run(paths, [&](const PreparedImage& image, std::span<const TensorView> outputs) {
    while (paths[at] != image.path) ++at;  // past those that were passed over
    for (const Detection& detection : detector.detect(image, outputs, settings)) {
      if (static_cast<size_t>(detection.label) >= categories)
        throw InputError("{}: class {} was found, where the annotations have {} categories", image.path,
                         detection.label, categories);
      const Box& box = detection.box;
      found.push_back({annotations.pictures[at].id,
                       annotations.categories[static_cast<size_t>(detection.label)],
                       {box.x0, box.y0, box.width(), box.height()},
                       detection.score});
    }
    ++at;
    ++done;
    if (progress) progress(static_cast<int64_t>(done), static_cast<int64_t>(paths.size()));
  });
  return average_precision(annotations.boxes, found);
}

}  // namespace halftone
