#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/bench_graph.h"
#include "cli/bench_speculation.h"
#include "cli/check_plan.h"
#include "cli/command.h"
#include "cli/graph_options.h"
#include "cli/memory_check.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/text_model.h"
#include "cost/machine_probe.h"
#include "cost/roofline.h"
#include "eval/speed.h"
#include "eval/step_times.h"
#include "formats/open_graph.h"
#include "graph/passes/dynamic_activations.h"
#include "llm/generate.h"
#include "models/synthetic.h"
#include "quant/quantize_graph.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone::cli {
namespace {

struct Options {
  ModelOptions model;
  GraphBench graph;
  SpeculateOptions speculate;
  std::string synthetic;
  std::string recipe;
  std::vector<int> prompt_tokens = {512};
  std::vector<int> generated_tokens = {128};
  std::vector<int> depths = {0};
  std::vector<int> batches = {1};
  std::optional<int> repetitions;
  bool check_plan = false;
};

struct Row {
  std::string test;
  SpeedSamples samples;
  SpeedWork work;
  double roof_share;
  const char* roof;                  ///< what the share is of
  std::vector<StepPart> parts = {};  ///< with --layers
};

/// What was asked for, but for what is longer than -c where it is given: that is told, and named in
/// `left_out`.
std::vector<SpeedTest> tests_of(const Options& options, std::vector<std::string>& left_out) {
  std::vector<SpeedTest> tests;
  for (int depth : options.depths) {
    for (int tokens : options.prompt_tokens)
      if (tokens > 0) tests.push_back({SpeedTest::Phase::prefill, tokens, depth});
    for (int tokens : options.generated_tokens)
      for (int texts : options.batches)
        if (tokens > 0) tests.push_back({SpeedTest::Phase::decode, tokens, depth, texts});
  }
  if (tests.empty()) throw UsageError("nothing to measure: both -p and -n are 0");
  const int context = options.model.context;
  std::erase_if(tests, [&](const SpeedTest& test) {
    if (context == 0 || test.depth + test.tokens <= context) return false;
    left_out.push_back(test.name());
    return true;
  });
  if (tests.empty())
    throw UsageError("nothing to measure: {} exceed -c {}", fmt::join(left_out, ", "), context);
  for (const std::string& name : left_out)
    fmt::print(stderr, "halftone: {} is left out: it exceeds -c {}\n", name, context);
  return tests;
}

int longest(const std::vector<SpeedTest>& tests) {
  int tokens = 0;
  for (const SpeedTest& test : tests) tokens = std::max(tokens, test.depth + test.tokens);
  return tokens;
}

Graph make_graph(const Options& options, OpenedModel& opened, int context) {
  if (opened.folder) return std::move(opened.folder->graph);
  if (options.synthetic.empty()) return load_llm(options.model.model, context).graph;
  BuildOptions build;
  build.context = context;
  return build_synthetic_llm(options.synthetic, build);
}

/// Whether any activation has such an encoding.
template <class Kind>
bool computes_in(const Plan& plan, Kind kind) {
  for (const Node& node : plan.graph().nodes())
    for (const auto& encoding : node.use_encodings)
      if (encoding && kind(*encoding)) return true;
  return false;
}

bool is_dynamic_integer(const Encoding& encoding) {
  return encoding.timing == Timing::dynamic && encoding.format->is_integer();
}

OrderedJson report_json(const Options& options, const std::vector<Row>& rows, int threads, double bandwidth,
                        double planned, double peak_memory, const Engine& engine) {
  OrderedJson report;
  report["model"] = options.synthetic.empty() ? options.model.model : "synthetic " + options.synthetic;
  report["recipe"] = options.recipe;
  report["threads"] = threads;
  report["packed_bytes"] = engine.plan().packed_bytes();
  report["read_bandwidth"] = bandwidth;
  report["planned_memory_bytes"] = planned;
  report["peak_memory_bytes"] = peak_memory;
  report["rows"] = OrderedJson::array();
  for (const Row& row : rows) {
    OrderedJson json;
    json["test"] = row.test;
    json["tokens_per_s_median"] = row.samples.median();
    json["tokens_per_s_spread"] = row.samples.spread();  // NaN of one run: null
    json["bytes_per_token"] = row.work.bytes_per_token;
    json["flops_per_token"] = row.work.flops_per_token;
    json["roof_share"] = row.roof_share;
    json["roof"] = row.roof;
    for (const StepPart& part : row.parts)
      json["parts"].push_back({{"name", part.name}, {"nodes", part.nodes}, {"ms", part.milliseconds}});
    report["rows"].push_back(json);
  }
  return report;
}

std::string spread_text(const SpeedSamples& samples) {
  const double spread = samples.spread();
  return std::isnan(spread) ? "one run" : fmt::format("± {:.1f} %", spread * 100);
}

std::string parts_text(const Row& row) {
  using Align = Table::Align;
  Table table({{row.test, Align::left}, {"nodes"}, {"ms"}, {"share"}});
  double total = 0;
  for (const StepPart& part : row.parts) total += part.milliseconds;
  for (const StepPart& part : row.parts)
    table.add_row({part.name, part.nodes > 0 ? fmt::format("{}", part.nodes) : "",
                   fmt::format("{:.3f}", part.milliseconds),
                   fmt::format("{:.2f} %", 100 * part.milliseconds / total)});
  return table.str();
}

/// Whatever was given though nothing that is measured depends on it would make a figure say what it does not.
void refuse(const CLI::App& command, std::initializer_list<const char*> flags, const char* why) {
  for (const char* flag : flags)
    if (command.count(flag) > 0) throw UsageError("{} {}", flag, why);
}

/// "27.0 GB/s (before 26.1, after 27.4)".
std::string bandwidth_text(double bandwidth, const MachineProbe* probe) {
  const std::string text = fmt::format("{:.1f} GB/s", bandwidth / 1e9);
  if (!probe) return text;
  return fmt::format("{} (before {:.1f}, after {:.1f})", text, probe->bandwidth_at(0) / 1e9,
                     probe->bandwidth_at(probe->looks() - 1) / 1e9);
}

void bench(const Options& options, const CLI::App& command) {
  if (options.model.model.empty() == options.synthetic.empty())
    throw UsageError("give either -m MODEL or --synthetic SHAPE");
  if (options.check_plan && options.model.backend->memory())
    throw UsageError("--check-plan measures this machine's processor: it goes with --device cpu");
  const auto start = std::chrono::steady_clock::now();
  OpenedModel opened;
  if (options.synthetic.empty()) opened = open_either(options.model.model, options.graph.fixed);
  if (opened.graph) {
    refuse(command, {"--recipe"}, "goes with language models; `halftone quantize` writes others quantized");
    refuse(command,
           {"--prompt-tokens", "--gen-tokens", "--depth", "--batch", "--speculate", "--bf16", "--context",
            "--kv"},
           "goes with language models");
    GraphBench graph = options.graph;
    graph.check_plan = options.check_plan;
    graph.load_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (options.repetitions) graph.repetitions = *options.repetitions;
    return bench_graph(std::move(*opened.graph), options.model, graph);
  }
  refuse(command, {"--passes"}, "goes with ONNX models");
  if (!options.speculate.by.empty()) {
    if (!options.synthetic.empty()) throw UsageError("--speculate needs a model that can write: give -m");
    refuse(command, {"--recipe"},
           "does not go with --speculate: quantize the model first (halftone quantize)");
    refuse(command, {"--prompt-tokens", "--depth", "--batch", "--layers", "--check-plan"},
           "does not go with --speculate, which writes on from two texts of its own");
    if (options.generated_tokens.size() != 1 || options.generated_tokens[0] == 0)
      throw UsageError("--speculate takes one number of tokens (-n), at least 1");
    return bench_speculation(options.model, options.speculate, options.generated_tokens[0],
                             options.repetitions.value_or(3));
  }
  ThreadPool threads(options.model.threads);
  std::vector<std::string> left_out;
  const std::vector<SpeedTest> tests = tests_of(options, left_out);
  const int context = std::max(options.model.context, longest(tests));

  Graph graph = make_graph(options, opened, context);
  if (!options.recipe.empty()) quantize_graph(graph, recipe_from_flag(options.recipe));
  if (options.model.bf16) round_activations(graph);
  EngineOptions settings = engine_options(options.model);
  settings.context = context;
  settings.sequences = *std::max_element(options.batches.begin(), options.batches.end());
  if (options.synthetic.empty()) settings.cache = open_plan_cache(options.model);
  settings.name = options.model.model;
  const double planned = check_memory(graph, settings, options.model);
  Progress packing("packing", options.model.json);
  settings.progress = [&](int done, int total) { packing.update(done, total); };
  Engine engine(std::move(graph), settings, threads);
  packing.finish();
  if (options.model.explain) fmt::print(stderr, "{}", engine.plan().explain());

  // What the probe holds weighs from here on, so the peak so far and the one with it are told apart.
  const auto loading_peak = static_cast<double>(peak_memory_bytes());
  DeviceMemory* const gpu = engine.plan().memory();
  std::optional<MachineProbe> probe;
  if (!gpu) probe.emplace(threads, static_cast<double>(engine.plan().packed_bytes()));
  const auto look = [&] {
    if (probe) probe->look();
  };
  look();
  std::vector<Row> rows;
  for (const SpeedTest& test : tests) {
    Progress progress(test.name(), options.model.json);
    rows.push_back({test.name(),
                    measure_speed(engine, test, options.repetitions.value_or(3),
                                  [&](int done, int total) {
                                    look();
                                    progress.update(done, total);
                                  }),
                    work_of(engine, test), 0, ""});
    if (options.graph.layers) rows.back().parts = measure_step_parts(engine, test);
  }
  const double peak_memory =
      std::max(loading_peak, static_cast<double>(peak_memory_bytes()) - (probe ? probe->bytes() : 0));
  const bool int8 = computes_in(engine.plan(), is_dynamic_integer);
  const Device machine = probe ? probe->device() : Device{};
  // Without instructions for them, numbers rounded to bf16 are multiplied as f32.
  const bool bf16 = !int8 && machine.peak("bf16_acc32") && computes_in(engine.plan(), is_rounded_bf16);
  const Roofs roofs = gpu ? gpu->measure_roofs()
                          : Roofs{achievable_bandwidth(machine),
                                  (bf16 ? machine.peak("bf16_acc32") : machine.peak("f32")).value_or(0),
                                  machine.peak("int8_acc32").value_or(0)};
  const double bandwidth = roofs.read_bandwidth, peak = int8 ? roofs.int8_ops : roofs.f16_flops;
  const char* const peak_name = int8 ? "int8 peak" : gpu ? "f16 peak" : bf16 ? "bf16 peak" : "f32 peak";
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool decode = tests[i].phase == SpeedTest::Phase::decode;
    const double used =
        (decode ? rows[i].work.bytes_per_token : rows[i].work.flops_per_token) * rows[i].samples.median();
    rows[i].roof_share = used / (decode ? bandwidth : peak);
    rows[i].roof = decode ? "read bandwidth" : peak_name;
  }
  std::vector<PlanCheck> checks;
  if (options.check_plan) {
    std::vector<double> measured;
    for (const Row& row : rows) measured.push_back(row.samples.median());
    checks = check_plan(engine, tests, measured, machine, peak_memory);
  }
  if (options.model.json) {
    OrderedJson report = report_json(options, rows, threads.size(), bandwidth, planned, peak_memory, engine);
    if (!left_out.empty()) report["left_out"] = left_out;
    if (gpu) {
      report["device"] = gpu->description();
    } else {
      report["read_bandwidth_before"] = probe->bandwidth_at(0);
      report["read_bandwidth_after"] = probe->bandwidth_at(probe->looks() - 1);
      report["machine"] = machine_json(machine);
    }
    if (options.check_plan) report["plan_check"] = plan_check_json(checks);
    return print_json(report);
  }

  using Align = Table::Align;
  Table table(
      {{"test", Align::left}, {"tok/s"}, {"spread"}, {"bytes/token"}, {"roof share"}, {"of", Align::left}});
  for (const Row& row : rows)
    table.add_row({row.test, fmt::format("{:.2f}", row.samples.median()), spread_text(row.samples),
                   bytes_text(row.work.bytes_per_token), fmt::format("{:.1f} %", row.roof_share * 100),
                   row.roof});
  print_text(table.str());
  for (const Row& row : rows)
    if (!row.parts.empty()) print_text("\n" + parts_text(row) + "\n");
  print_text(fmt::format("{}; packed weights {}; peak memory of the host {} (planned {})\n",
                         gpu ? gpu->description() : fmt::format("{} threads", threads.size()),
                         bytes_text(static_cast<double>(engine.plan().packed_bytes())),
                         bytes_text(peak_memory), bytes_text(planned)));
  print_text(fmt::format(
      "roofs, {}: {}, {} {:.0f} G/s\n",
      gpu ? std::string("measured after the runs")
          : fmt::format(
                "median of {} looks before, between and after the runs, memory over as many bytes as the "
                "weights",
                probe->looks()),
      bandwidth_text(bandwidth, probe ? &*probe : nullptr), peak_name, peak / 1e9));
  if (options.check_plan) print_text("\n" + plan_check_text(checks));
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("bench", "Time prefill and decode; print the share of the machine's measured roof");
  add_model_options(*command, options->model, false);
  command->add_option("MODEL", options->model.model, "The same as -m")->type_name("PATH");
  command
      ->add_option("--synthetic", options->synthetic,
                   "A known shape with random weights made in memory, no file")
      ->type_name("SHAPE");
  command
      ->add_option("--recipe", options->recipe, "Quantize in memory first (a recipe's name or a .yaml file)")
      ->type_name("R");
  command
      ->add_option("-p,--prompt-tokens", options->prompt_tokens,
                   "Prompt lengths (0: none), separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("-n,--gen-tokens", options->generated_tokens,
                   "Tokens generated (0: none), separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-d,--depth", options->depths, "Tokens in the cache beforehand, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--batch", options->batches,
                   "Texts decoded side by side, separated by commas; tokens/s of all together")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      ->add_option("-r,--repetitions", options->repetitions,
                   "Timed repetitions (default 3; of an ONNX model 30)")
      ->check(CLI::Range(1, 100000));
  add_speculate_options(*command, options->speculate);
  add_fixed_options(*command, options->graph.fixed);
  command->add_flag(
      "--layers", options->graph.layers,
      "ONNX models: time each layer, with its share of the roof; LLMs: each operator's share of a step");
  command->add_flag("--passes", options->graph.passes, "ONNX models: say what each pass did and its time");
  command->add_flag("--check-plan", options->check_plan,
                    "Compare what `halftone plan` predicts with what was measured");
  command->footer(
      "Shapes: " + fmt::format("{}", fmt::join(synthetic_shapes(), ", ")) +
      "\nExample:\n  halftone bench --synthetic llama-3-8b --recipe rtn-w4g32 -p 512 -n 32 -d 0,1024 -t 2"
      "\n  halftone bench -m MODEL -c 8192 -p 2048 -n 128 -d 0,8064    # what is longer than -c is left out"
      "\n  halftone bench -m zoo/llm --speculate zoo/llm-draft -n 128"
      "\n  halftone bench model.onnx -t 1 --layers --passes");
  command->callback([options, command] { bench(*options, *command); });
}

}  // namespace halftone::cli
