#include "cli/graph_samples.h"

#include "base/error.h"
#include "cli/tensor_files.h"
#include "eval/draw_samples.h"
#include "eval/image_samples.h"
#include "vision/image/image_list.h"

namespace halftone::cli {
namespace {

/// Tensors of files, read when they are asked for.
class TensorSamples final : public CalibrationData {
 public:
  TensorSamples(const Graph& graph, const std::string& list, std::vector<InputFiles> runs)
      : graph_(graph), runs_(std::move(runs)) {
    for (size_t run = 0; run < runs_.size(); ++run)
      for (ValueId input : graph.inputs())
        if (runs_[run].count(graph.value(input).name) == 0)
          throw InputError("{}: run {}: input \"{}\" is missing", list, run, graph.value(input).name);
  }

  int samples() const override { return static_cast<int>(runs_.size()); }
  std::map<std::string, Tensor> sample(int index) const override {
    std::map<std::string, Tensor> tensors;
    for (ValueId id : graph_.inputs()) {
      const Value& input = graph_.value(id);
      tensors[input.name] = read_input(graph_, input, runs_[static_cast<size_t>(index)].at(input.name));
    }
    return tensors;
  }

 private:
  const Graph& graph_;
  std::vector<InputFiles> runs_;
};

std::unique_ptr<CalibrationData> picture_samples(const VisionModel& model,
                                                 std::vector<std::string> pictures) {
  if (!model.preprocess)
    throw UsageError("{}: nothing says how its pictures are prepared; put a {}.preprocess.json beside it",
                     model.name, fs::path(model.name).stem().string());
  const ImageInput input = image_input(model.graph);
  const Preprocess preprocess = fit_to_model(
      parse_preprocess(model.preprocess->json, model.preprocess->source), input, model.preprocess->source);
  return std::make_unique<ImageSamples>(std::move(pictures), preprocess, input);
}

}  // namespace

void GraphSampleOptions::add_to(CLI::App& command) {
  command.add_option("--images", images, "Models of pictures: run them on those of a folder")
      ->type_name("DIR");
  command
      .add_option(
          "--input-list", input_list,
          "Any graph: a file with one run a line, NAME:=FILE ..., or the files in the order of the inputs")
      ->type_name("FILE");
}

GraphSamples open_graph_samples(const GraphSampleOptions& options, const VisionModel& model) {
  if (!options.images.empty() && !options.input_list.empty())
    throw UsageError("give pictures or --input-list, not both");
  GraphSamples samples;
  /// All, or a draw of them; tells which.
  const auto drawn = [&](auto all, const char* what, const std::string& source) {
    const size_t count = all.size();
    if (options.most) all = draw_samples(std::move(all), *options.most, options.seed);
    samples.protocol = all.size() < count ? fmt::format("{} of the {} {} of {}, seed {}", all.size(), count,
                                                        what, source, options.seed)
                                          : fmt::format("{} {} of {}", count, what, source);
    return all;
  };
  if (!options.images.empty())
    samples.data =
        picture_samples(model, drawn(list_image_folder(options.images), "pictures", options.images));
  else
    samples.data = std::make_unique<TensorSamples>(
        model.graph, options.input_list,
        drawn(read_input_list(model.graph, options.input_list), "runs", options.input_list));
  return samples;
}

}  // namespace halftone::cli
