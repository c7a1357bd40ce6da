#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/export_formats.h"
#include "cli/graph_options.h"
#include "cli/quantize_run.h"
#include "cli/table.h"

namespace halftone::cli {
namespace {

void print_layers(const QuantReport& report) {
  Table table({{"layer", Table::Align::left},
               {"shape", Table::Align::left},
               {"weights", Table::Align::left},
               {"bytes"}});
  for (const LayerReport& layer : report.layers)
    table.add_row({layer.layer, layer.shape.str(),
                   layer.encoding.empty() ? "kept: " + layer.kept : layer.encoding,
                   bytes_text(layer.bytes_after)});
  print_text(table.str());
}

/// "0:1": blocks 0 up to 1, the latter not counted.
std::pair<int, int> parse_blocks(const std::string& text) {
  int first = 0, last = 0, end = 0;
  if (std::sscanf(text.c_str(), "%d:%d%n", &first, &last, &end) != 2 || end != static_cast<int>(text.size()))
    throw UsageError("--blocks {}: expected FIRST:LAST, such as 0:1 for the first block alone", text);
  return {first, last};
}

void quantize_command(const QuantizeCommand& options) {
  if (options.output.empty() && !options.blocks)
    throw UsageError(
        "-o/--output is required (only --blocks, which measures and writes nothing, goes without)");
  require_onnx(options.model, options.fixed);
  const Receipt receipt = run_quantize(options);
  for (const std::string& pattern : receipt.report.unmatched)
    fmt::print(stderr, "halftone: warning: no layer matches \"{}\" of the recipe\n", pattern);
  if (options.json) {
    print_json(receipt_json(receipt));
  } else {
    if (options.layers) print_layers(receipt.report);
    print_text(receipt_text(receipt));
  }
  if (receipt.pictures && receipt.pictures->unreadable > 0)
    throw InputError("{} of {} pictures cannot be read", receipt.pictures->unreadable,
                     receipt.pictures->pictures);
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeCommand>();
  CLI::App* command =
      app.add_subcommand("quantize", "Write a model in few bits, as a Halftone folder or for another tool");
  command->add_option("-m,--model", options->model, "Model: a Hugging Face folder, a .gguf or an .onnx file")
      ->required()
      ->type_name("PATH");
  command
      ->add_option("-o,--output", options->output, "Folder or file to write (put into place when complete)")
      ->type_name("PATH");
  command
      ->add_option("--format", options->format,
                   "Write for another tool: " + export_format_names() + " (default: Halftone's own folder)")
      ->type_name("FORMAT");
  command
      ->add_option("--target", options->target,
                   "What will run the file: tensorrt (--format onnx-qdq) has symmetric activations")
      ->type_name("NAME");
  command
      ->add_option(
          "--encodings", options->encodings,
          "int8-static: a JSON file of scales (QNN's and AIMET's form) in the place of calibrated ones")
      ->type_name("FILE");
  add_fixed_options(*command, options->fixed);
  command->add_option("--recipe", options->recipe, "A recipe's name or a .yaml file")
      ->required()
      ->type_name("R");
  options->calibration.add_to(*command);
  StaticFlags& flags = options->static_flags;
  command
      ->add_option(
          "--observer", flags.observer,
          "How ranges are found: int8-static, of each value (search: the best of four, by the noise at the "
          "ends of the model); recipes that round to nearest (rtn, nf4, fp8), of the weights under each "
          "scale (minmax, percentile, mse)")
      ->check(CLI::IsMember(observer_methods()))
      ->type_name("NAME");
  command->add_option("--percentile", flags.percentile, "--observer percentile: percent covered (99.99)")
      ->check(CLI::Range(50.0, 100.0))
      ->type_name("P");
  command->add_option("--requantization", flags.requantization, "int8-static: how sums become codes")
      ->check(CLI::IsMember({"floating", "fixed"}))
      ->type_name("HOW");
  command->add_flag("!--no-measure", flags.measure,
                    "int8-static: do not time layers; all that can computes in integers");
  command->add_flag("!--no-even-channels", flags.even_channels,
                    "int8-static: leave the channels of values between convolutions as they are");
  command->add_flag("--integer-only", flags.integer_only,
                    "int8-static: no floating point between input and output (I-BERT's Gelu, Softmax and "
                    "LayerNormalization)");
  command->add_option("--softmax", flags.softmax, "int8-static: weights of attention exact, or powers of two")
      ->check(CLI::IsMember({"exact", "log2"}))
      ->type_name("HOW");
  command
      ->add_option(
          "--gelu", flags.gelu,
          "int8-static: one scale behind a Gelu, one for each sign (twin), or I-BERT's polynomial for erf")
      ->check(CLI::IsMember({"one", "twin", "polynomial"}))
      ->type_name("HOW");
  command->add_flag("--resume", options->resume, "Go on with a calibrated quantization that was interrupted");
  command
      ->add_option_function<std::string>(
          "--blocks", [options](const std::string& text) { options->blocks = parse_blocks(text); },
          "Quantize blocks FIRST:LAST only and write nothing: what they cost")
      ->type_name("FIRST:LAST");
  command
      ->add_option(
          "--eval-text", options->eval_text,
          "Text to measure the result on (default: a part of the calibration text that was not used)")
      ->type_name("FILE");
  command
      ->add_option("--eval-images", options->eval_images,
                   "Models of pictures: labelled ones (labels.txt) to measure result and original on")
      ->type_name("DIR");
  command
      ->add_option("--annotations", options->annotations,
                   "Detectors: COCO's instances.json of the pictures of --eval-images")
      ->type_name("JSON");
  command->add_flag_callback(
      "--no-eval", [options] { options->evaluate = false; }, "Do not measure the result");
  command->add_option("-t,--threads", options->threads, "Threads (0: one for each core)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--layers", options->layers, "Print what became of each layer");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(fmt::format(
      "Recipes: {}\nExamples:\n  halftone quantize -m MODEL -o MODEL-w4 --recipe rtn-w4g32 --eval-text "
      "heldout.txt\n"
      "  halftone quantize -m MODEL -o MODEL-gptq --recipe gptq-w4g128 --calib train.txt --calib-samples "
      "128\n"
      "  halftone quantize -m MODEL -o MODEL-awq --recipe awq-w4g128 --calib train.txt --format awq\n"
      "  halftone quantize -m MODEL.onnx -o MODEL-int8 --recipe int8-static --calib PICTURES",
      recipe_names_in_short()));
  command->callback([options] { quantize_command(*options); });
}

}  // namespace halftone::cli
