#include "cli/picture_run.h"

#include <chrono>

#include "cli/broken_pictures.h"
#include "cli/command.h"
#include "cli/memory_check.h"
#include "cli/progress.h"
#include "llm/generate.h"

namespace halftone::cli {

void add_picture_arguments(CLI::App& command, VisionOptions& options, const char* model_help,
                           std::vector<std::string>& images) {
  command.add_option("MODEL", options.model.model, model_help)->required()->type_name("PATH");
  command.add_option("IMAGE", images, "Pictures, folders of pictures, patterns (JPEG, PNG, WebP)")
      ->required()
      ->type_name("PATH...");
}

void show_pictures(const std::string& label, OpenVisionModel& model, const std::vector<std::string>& paths,
                   OrderedJson report, bool json, const AnswerPicture& answer) {
  report["preprocess"] = model.preprocess_source;
  report["images"] = OrderedJson::array();

  const auto start = std::chrono::steady_clock::now();
  Progress progress(label, json);
  size_t done = 0;
  BrokenPictures broken(*model.runner, paths.size());
  model.runner->run(paths, [&](const PreparedImage& image, std::span<const TensorView> outputs) {
    PictureAnswer given = answer(image, outputs);
    if (json) {
      report["images"].push_back(std::move(given.entry));
    } else {
      progress.finish();
      print_text(given.text);
    }
    progress.update(static_cast<int64_t>(++done), static_cast<int64_t>(paths.size()));
  });
  progress.finish();
  broken.check_some_are_whole();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!json) {
    print_text(throughput_text(*model.runner, done, seconds));
    print_text(memory_text(model.planned_bytes) + "\n");
    return broken.finish();
  }
  broken.add_to(report);
  report["seconds"] = seconds;
  report["planned_memory_bytes"] = model.planned_bytes;
  report["peak_memory_bytes"] = peak_memory_bytes();
  print_json(report);
  broken.finish();
}

}  // namespace halftone::cli
