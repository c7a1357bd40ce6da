#include "halftone/detector.h"

#include "sdk/convert.h"
#include "sdk/custom_backend.h"
#include "vision/detect/detect.h"
#include "vision/vision_model.h"

namespace halftone::sdk {
namespace {

PreprocessSource preprocess_of(const VisionModel& model, const std::string& preset) {
  if (!preset.empty()) return preprocess_preset(preset);
  if (!model.preprocess)
    throw Error(Error::Kind::usage,
                model.name + ": nothing says how this model wants its pictures; name a preset");
  return *model.preprocess;
}

}  // namespace

struct Detector::Impl {
  std::unique_ptr<Backend> backend = backend_with_custom_operators();
  ThreadPool threads;
  DetectorOptions options;
  std::vector<std::string> labels;
  std::unique_ptr<ImageRunner> runner;
  std::unique_ptr<::halftone::Detector> detector;

  Impl(const std::filesystem::path& path, const DetectorOptions& asked)
      : threads(asked.threads), options(asked) {
    VisionModel model = load_vision_model(path);
    const PreprocessSource source = preprocess_of(model, options.preset);
    labels = model.labels.empty()
                 ? known_labels(json_get_or<std::string>(source.json, "labels", "", source.source))
                 : model.labels;
    const Preprocess preprocess =
        fit_to_model(parse_preprocess(source.json, source.source), image_input(model.graph), source.source);
    CompileOptions how;
    how.backend = backend.get();
    runner =
        std::make_unique<ImageRunner>(compile(std::move(model.graph), how, threads), preprocess, threads);
    detector = std::make_unique<::halftone::Detector>(runner->graph(), preprocess);
  }
};

Detector::Detector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;
Detector::~Detector() = default;

Detector Detector::load(const std::filesystem::path& path, const DetectorOptions& options) {
  return guarded([&] { return Detector(std::make_unique<Impl>(path, options)); });
}

std::vector<Detection> Detector::detect(const std::filesystem::path& picture) {
  return guarded([&] {
    std::vector<Detection> found;
    const std::string path = picture.string();
    impl_->runner->run({&path, 1}, [&](const PreparedImage& image, std::span<const TensorView> outputs) {
      const DetectorOptions& o = impl_->options;
      for (const auto& one : impl_->detector->detect(image, outputs, {o.min_score, o.overlap, o.most}))
        found.push_back({one.label, label_name(impl_->labels, one.label), one.score, one.box.x0, one.box.y0,
                         one.box.x1, one.box.y1});
    });
    return found;
  });
}

}  // namespace halftone::sdk
