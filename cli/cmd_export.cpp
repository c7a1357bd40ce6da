#include <fmt/format.h>

#include "cli/command.h"
#include "cli/export_formats.h"
#include "cli/graph_options.h"
#include "cli/progress.h"
#include "llm/load_llm.h"
#include "quant/quantize_graph.h"
#include "vision/vision_model.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  FixedParts fixed;
  std::string format;
  std::string output;
  std::string recipe;
  std::string type;
  std::string target;
  bool json = false;
};

ExportReport export_model(const Options& options) {
  const ExportFormat& format = find_export_format(options.format, options.type);
  check_export_names(format, options.output, options.target);
  require_onnx(options.model, options.fixed);
  Graph graph = format.any_graph ? load_vision_model(options.model, onnx_options(options.fixed)).graph
                                 : load_llm(options.model, 0).graph;
  if (!options.recipe.empty()) quantize_graph(graph, recipe_from_flag(options.recipe));
  Progress progress("exporting", options.json);
  return format.write(
      {graph, format.any_graph ? image_companion_files(options.model) : companion_files(options.model),
       options.model, options.type, options.output,
       [&](double done, double total, const std::string&) {
         progress.update(static_cast<int64_t>(done), static_cast<int64_t>(total));
       },
       options.target});
}

void export_command(const Options& options) {
  const ExportReport report = export_model(options);
  if (options.json) {
    OrderedJson json;
    json["output"] = options.output;
    json["format"] = options.format;
    json["encoding"] = report.encoding;
    json["packed"] = report.packed;
    json["kept"] = report.kept;
    json["remarks"] = report.remarks;
    return print_json(json);
  }
  print_text(fmt::format("{}: {}\n", options.output, export_summary(report, options.format)));
  for (const std::string& remark : report.remarks) print_text(fmt::format("Note: {}\n", remark));
}

}  // namespace

void add_export(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("export", "Write a model for other tools to read");
  command->add_option("-m,--model", options->model, "Model: a folder, a .gguf or an .onnx file")
      ->required()
      ->type_name("PATH");
  add_fixed_options(*command, options->fixed);
  command->add_option("--format", options->format, export_format_names())->required()->type_name("FORMAT");
  command
      ->add_option("-o,--output", options->output, "Folder or file to write (put into place when complete)")
      ->required()
      ->type_name("PATH");
  command->add_option("--recipe", options->recipe, "Quantize first: a recipe's name or a .yaml file")
      ->type_name("R");
  command
      ->add_option("--type", options->type,
                   "gguf: type of weights that are not quantized yet: " +
                       fmt::format("{}", fmt::join(find_export_format("gguf").types, ", ")) +
                       " (default: their own)")
      ->type_name("TYPE");
  command->add_option("--target", options->target, "What will run the file: tensorrt (onnx-qdq)")
      ->type_name("NAME");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Examples:\n  halftone export -m MODEL --recipe rtn-w4g128-affine --format awq -o MODEL-awq\n"
      "  halftone export -m MODEL --format gguf --type q8_0 -o MODEL.gguf\n"
      "  halftone export -m MODEL-int8 --format onnx-qdq -o MODEL-int8.onnx");
  command->callback([options] { export_command(*options); });
}

}  // namespace halftone::cli
