#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cost/graph_cost.h"
#include "formats/packed/write_packed.h"
#include "llm/check_export.h"
#include "llm/load_llm.h"
#include "quant/quantize_graph.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  std::string format;
  std::string output;
  std::string recipe;
  bool json = false;
};

std::string format_names() {
  std::string names;
  for (const PackedWriter& writer : packed_writers())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", writer.name);
  return names;
}

PackedExport export_model(const Options& options) {
  const PackedWriter& writer = find_packed_writer(options.format);
  LlmModel llm = load_llm(options.model, 0);
  if (!options.recipe.empty()) quantize_graph(llm.graph, recipe_from_flag(options.recipe));
  Progress progress("exporting", options.json);
  PackedExport report =
      write_packed(llm.graph, writer, options.output, companion_files(options.model),
                   [&](double done, double total, const std::string&) {
                     progress.update(static_cast<int64_t>(done), static_cast<int64_t>(total));
                   });
  progress.finish();
  try {
    check_export(llm.graph, options.output);
  } catch (...) {
    fs::remove_all(options.output);
    throw;
  }
  return report;
}

void export_command(const Options& options) {
  const PackedExport report = export_model(options);
  if (options.json) {
    OrderedJson json;
    json["output"] = options.output;
    json["format"] = options.format;
    json["encoding"] = report.encoding;
    json["packed"] = report.packed;
    json["kept"] = report.kept;
    return print_json(json);
  }
  print_text(fmt::format("{}: {} layers as {}, {} in floating point ({}); read back and found equal\n",
                         options.output, report.packed.size(), report.encoding, report.kept.size(),
                         fmt::join(report.kept, ", ")));
}

}  // namespace

void add_export(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("export", "Write a quantized LLM for other tools to read");
  command->add_option("-m,--model", options->model, "Model: a Halftone folder, or any other with --recipe")
      ->required()
      ->type_name("PATH");
  command->add_option("--format", options->format, format_names())->required()->type_name("FORMAT");
  command->add_option("-o,--output", options->output, "Folder to write (put into place when complete)")
      ->required()
      ->type_name("DIR");
  command->add_option("--recipe", options->recipe, "Quantize first: a recipe's name or a .yaml file")
      ->type_name("R");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer("Example:\n  halftone export -m MODEL --recipe awq-w4g128 --format awq -o MODEL-awq");
  command->callback([options] { export_command(*options); });
}

}  // namespace halftone::cli
