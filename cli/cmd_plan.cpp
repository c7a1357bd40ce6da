#include <fmt/ranges.h>

#include "backend/kernel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/write_file.h"
#include "cli/command.h"
#include "cli/graph_options.h"
#include "cli/memory_check.h"
#include "cli/plan_report.h"
#include "cli/progress.h"
#include "cli/text_samples.h"
#include "cost/machine_probe.h"
#include "models/synthetic.h"
#include "tune/plan.h"
#include "tune/plan_html.h"
#include "tune/sweep.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model, target = "this-machine", power, goal = "latency", html;
  std::vector<std::string> recipes;
  FixedParts fixed;
  TextSampleOptions text;
  PlanOptions plan;
  int threads = 0;
  bool json = false;
};

/// What each recipe that needs no samples loses on the user's text, measured as the device would compute: on
/// a GPU weights meet floating activations.
std::map<std::string, MeasuredLoss> measure_losses(const Options& options, const std::vector<Recipe>& recipes,
                                                   DeviceKind kind) {
  if (!fs::exists(options.model) || fs::path(options.model).extension() == ".json")
    throw UsageError("--text: {} has no weights at hand to measure with", options.model);
  const LlmModel model = load_llm(options.model);
  const TextSamples text = read_text_samples(options.text, model);
  SweepOptions settings;
  settings.engine.backend = find_backend("cpu");
  settings.engine.context = static_cast<int>(text.windows.front().size());
  settings.windows.assign(text.windows.begin(), text.windows.end());
  settings.speed = false;
  ModelOptions memory;
  memory.model = options.model;
  check_memory(model.graph, settings.engine, memory);
  std::vector<SweepVariant> variants;
  for (const Recipe& recipe : recipes)
    if (!needs_calibration(recipe)) variants.push_back({"", recipe, kind == DeviceKind::gpu});
  ThreadPool threads(options.threads);
  Progress progress("measuring", options.json);
  int64_t done = 0;
  settings.progress = [&](const std::string&, const std::string& stage) {
    if (stage != "quantizing") progress.update(++done, static_cast<int64_t>(variants.size()) + 1);
  };
  std::map<std::string, MeasuredLoss> losses;
  for (const SweepRow& row : sweep([&] { return model.graph; }, variants, settings, threads))
    losses[row.scheme] = {row.loss_percent, row.kld};
  return losses;
}

void plan(Options options) {
  const PlannedModel model = open_for_plan(options.model, 0, onnx_options(options.fixed));
  Device device;
  if (options.target == "this-machine") {
    ThreadPool threads(options.threads);
    device = measured_device(threads);
    options.plan.free_bytes = free_memory_bytes();
  } else {
    device = find_device(options.target);
  }
  if (!options.power.empty()) device = in_power_mode(std::move(device), options.power);
  options.plan.goal = options.goal == "latency" ? PlanGoal::latency
                      : options.goal == "size"  ? PlanGoal::size
                                                : PlanGoal::accuracy;
  bool original = options.recipes.empty();
  std::vector<Recipe> recipes;
  if (original) recipes = compared_recipes(model.graph);
  for (const std::string& name : options.recipes) {
    if (name == "original")
      original = true;
    else
      recipes.push_back(recipe_from_flag(name));
  }
  std::map<std::string, MeasuredLoss> losses;
  if (!options.text.path.empty()) {
    if (!keeps_state(model.graph)) throw UsageError("--text: {} is no language model", options.model);
    losses = measure_losses(options, recipes, device.kind);
  }
  const DevicePlan result = plan_device(model, recipes, device, options.plan, original, losses);
  if (!options.html.empty()) write_file(options.html, plan_html(result, options.model));
  options.json ? print_json(plan_json(result, options.model, model.note))
               : print_text(plan_text(result, options.model, model.note));
}

}  // namespace

void add_plan(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("plan", "Tell what a model will cost on a device, before it is loaded");
  command
      ->add_option("-m,--model", options->model,
                   "A model's folder, .gguf or .onnx, a config.json alone, or a known shape")
      ->required()
      ->type_name("MODEL");
  command->add_option("--target", options->target, "A device (halftone devices lists them)")
      ->capture_default_str()
      ->type_name("NAME");
  command
      ->add_option("--recipe", options->recipes,
                   "Plan these recipes only (names, .yaml files, original), separated by commas")
      ->delimiter(',')
      ->type_name("R");
  command
      ->add_option("-c,--context", options->plan.context,
                   "Tokens of one sequence (0: the model's own, at most 8192)")
      ->check(CLI::Range(0, 1 << 24));
  add_fixed_options(*command, options->fixed);
  options->text.add_to(*command);
  command->add_option("--batch", options->plan.batch, "Sequences decoded side by side, or pictures in a run")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--power", options->power, "One of the device's power modes")->type_name("MODE");
  command->add_option("--for", options->goal, "What matters most: latency, size or accuracy")
      ->check(CLI::IsMember({"latency", "size", "accuracy"}))
      ->capture_default_str();
  command
      ->add_option("-p,--prompt-tokens", options->plan.prompt_tokens,
                   "Prompts to tell the time of, by commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("-d,--depths", options->plan.depths, "Tokens in the cache when a token is made, by commas")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--kv",
          [options](const std::string& name) {
            const auto format = kv_format_from_name(name);
            if (!format)
              throw UsageError("--kv {}: expected f16, bf16, int8, int8-channel, int4 or f32", name);
            options->plan.kv = *format;
          },
          "How keys and values are kept: f16, bf16, int8, int8-channel, int4 or f32")
      ->default_str("f16")
      ->type_name("FORMAT");
  command->add_option("-t,--threads", options->threads, "Threads to measure this machine with (0: all cores)")
      ->check(CLI::Range(0, 1024));
  command->add_option("--html", options->html, "Write the plan as a page, too")->type_name("FILE");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "--text measures what each recipe loses (those that calibrate keep their published loss).\n"
      "--json: fits, memory_bytes, ttft_ms (first prompt), tpot_ms (first depth), tokens_per_s, image_ms, "
      "recommended, recipes, ...\nShapes: " +
      fmt::format("{}", fmt::join(synthetic_shapes(), ", ")) +
      "\nExample:\n  halftone plan -m llama-3-8b --target jetson-orin-nano-8gb --for size");
  command->callback([options] { plan(*options); });
}

}  // namespace halftone::cli
