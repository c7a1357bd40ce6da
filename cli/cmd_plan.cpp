#include <fmt/ranges.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/plan_report.h"
#include "models/synthetic.h"
#include "tune/plan.h"
#include "tune/plan_html.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model, target = "this-machine", power, goal = "latency", html;
  std::vector<std::string> recipes;
  PlanOptions plan;
  int threads = 0;
  bool json = false;
};

void plan(Options options) {
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
  // Built for the model's own context, so that the largest one that fits can be told; copies share constants.
  const Graph graph = graph_for_plan(options.model, 0);
  const auto make_graph = [&] { return graph; };
  DevicePlan result;
  if (options.recipes.empty()) {
    result = plan_device(make_graph, compared_recipes(), device, options.plan);
  } else {
    std::vector<Recipe> recipes;
    bool original = false;
    for (const std::string& name : options.recipes) {
      if (name == "original")
        original = true;
      else
        recipes.push_back(recipe_from_flag(name));
    }
    result = plan_device(make_graph, recipes, device, options.plan, original);
  }
  const std::string note = synthetic_note(options.model);
  if (!options.html.empty()) {
    AtomicFile page(options.html);
    page.write(plan_html(result, options.model));
    page.commit();
  }
  options.json ? print_json(plan_json(result, options.model, note))
               : print_text(plan_text(result, options.model, note));
}

}  // namespace

void add_plan(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("plan", "Tell what a model will cost on a device, before it is loaded");
  command
      ->add_option("-m,--model", options->model,
                   "A model's folder or .gguf, a config.json alone, or a known shape")
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
  command->add_option("--batch", options->plan.batch, "Sequences decoded side by side")
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
            if (!format) throw UsageError("--kv {}: expected f16, bf16, int8, int4 or f32", name);
            options->plan.kv = *format;
          },
          "How keys and values are kept: f16, bf16, int8 or f32")
      ->default_str("f16")
      ->type_name("FORMAT");
  command->add_option("-t,--threads", options->threads, "Threads to measure this machine with (0: all cores)")
      ->check(CLI::Range(0, 1024));
  command->add_option("--html", options->html, "Write the plan as a page, too")->type_name("FILE");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "--json: fits, memory_bytes, ttft_ms (first prompt), tpot_ms (first depth), tokens_per_s, recommended, "
      "recipes, ...\nShapes: " +
      fmt::format("{}", fmt::join(synthetic_shapes(), ", ")) +
      "\nExample:\n  halftone plan -m llama-3-8b --target jetson-orin-nano-8gb --for size");
  command->callback([options] { plan(*options); });
}

}  // namespace halftone::cli
