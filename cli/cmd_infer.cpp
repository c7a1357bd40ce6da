#include <chrono>
#include <fmt/format.h>

#include "base/error.h"
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/graph_options.h"
#include "cli/memory_check.h"
#include "cli/model_options.h"
#include "cli/pass_report.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/tensor_files.h"
#include "cli/tensor_summary.h"
#include "graph/shape_text.h"
#include "llm/generate.h"
#include "runtime/session.h"

namespace halftone::cli {
namespace {

struct Options {
  ModelOptions model;
  FixedParts fixed;
  std::vector<std::string> inputs;
  std::string input_list, output_dir;
  bool raw = false, passes = false;
};

std::vector<InputFiles> asked_runs(const Options& o, const Graph& graph) {
  if (!o.input_list.empty() && !o.inputs.empty()) throw UsageError("give --input or --input-list, not both");
  if (!o.input_list.empty()) return read_input_list(graph, o.input_list);
  InputFiles files;
  for (const std::string& input : o.inputs) {
    const auto [name, file] = split_assignment(input, "--input", "FILE");
    if (!files.emplace(name, file).second) throw UsageError("--input: \"{}\" is given twice", name);
  }
  return {files};
}

/// Every input that the graph takes must have its file, and no other.
void check_inputs(const Graph& graph, const InputFiles& files) {
  std::vector<std::string> names;
  for (ValueId id : graph.inputs()) {
    const Value& input = graph.value(id);
    if (input.type.dtype == DType::state)
      throw UnsupportedError("the graph keeps a state (\"{}\") from run to run; halftone run drives those",
                             input.name);
    names.push_back(input.name);
    if (files.count(input.name) == 0)
      throw UsageError("input \"{}\" ({} {}) is missing: --input {}=FILE", input.name,
                       dtype_name(input.type.dtype), shape_text(graph, input.type.shape), input.name);
  }
  for (const auto& [name, file] : files)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw UsageError("the graph has no input \"{}\"{}", name, did_you_mean(name, names));
}

struct RunResult {
  double milliseconds = 0;
  std::vector<TensorSummary> outputs;
};

RunResult run_once(const Options& o, Session& session, const InputFiles& given, const fs::path& folder) {
  const Graph& graph = session.plan().graph();
  std::map<std::string, Tensor> held;
  std::map<std::string, TensorView> inputs;
  for (ValueId id : graph.inputs()) {
    const Value& input = graph.value(id);
    held[input.name] = read_input(graph, input, given.at(input.name));
    inputs[input.name] = held[input.name].view();
  }
  const auto start = std::chrono::steady_clock::now();
  session.run(inputs);
  RunResult result;
  result.milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const std::vector<std::string> files = file_names(graph.output_names());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& name = graph.output_names()[i];
    const TensorView tensor = session.output(name);
    result.outputs.push_back(summarize(name, tensor));
    if (!o.output_dir.empty())
      result.outputs.back().file = write_output(folder, files[i], tensor, o.raw).string();
  }
  return result;
}

void print_runs(const std::vector<RunResult>& runs) {
  Table table({{"run"},
               {"output", Table::Align::left},
               {"type", Table::Align::left},
               {"shape", Table::Align::left},
               {"min"},
               {"max"},
               {"mean"},
               {"ms"}});
  for (size_t r = 0; r < runs.size(); ++r)
    for (const TensorSummary& output : runs[r].outputs)
      table.add_row({std::to_string(r), output.name, std::string(dtype_name(output.dtype)),
                     output.shape.str(), fmt::format("{:.6g}", output.min), fmt::format("{:.6g}", output.max),
                     fmt::format("{:.6g}", output.mean), fmt::format("{:.2f}", runs[r].milliseconds)});
  print_text(table.str());
}

void infer(const Options& o) {
  if (o.model.model.empty()) throw UsageError("no model: halftone infer MODEL");
  Graph graph = open_graph_with(o.model.model, o.fixed);
  const std::vector<InputFiles> files = asked_runs(o, graph);
  for (const InputFiles& one : files) check_inputs(graph, one);

  const double planned = check_memory(graph, o.model);
  ThreadPool threads(o.model.threads);
  CompileOptions compile_options;
  compile_options.backend = o.model.backend;
  compile_options.exact = o.model.exact;
  compile_options.cache = open_plan_cache(o.model);
  compile_options.name = o.model.model;
  const auto plan = compile(std::move(graph), compile_options, threads);
  if (o.model.explain) fmt::print(stderr, "{}", plan->explain());
  if (o.passes) fmt::print(stderr, "{}", passes_text(*plan));
  Session session(plan, threads);
  std::vector<RunResult> runs;
  Progress progress("infer", o.model.json);
  for (size_t r = 0; r < files.size(); ++r) {
    const fs::path folder =
        o.input_list.empty() ? fs::path(o.output_dir) : fs::path(o.output_dir) / fmt::format("Result_{}", r);
    runs.push_back(run_once(o, session, files[r], folder));
    progress.update(static_cast<int64_t>(r + 1), static_cast<int64_t>(files.size()));
  }
  progress.finish();
  if (!o.model.json) {
    print_runs(runs);
    return print_text(memory_text(planned) + "\n");
  }

  OrderedJson report;
  report["model"] = o.model.model;
  report["arena_bytes"] = session.arena_bytes();
  report["workspace_bytes"] = session.workspace_bytes();
  report["planned_memory_bytes"] = planned;
  report["peak_memory_bytes"] = peak_memory_bytes();
  report["runs"] = OrderedJson::array();
  for (const RunResult& run : runs) {
    OrderedJson outputs = OrderedJson::object();
    for (const TensorSummary& output : run.outputs) outputs[output.name] = summary_json(output);
    report["runs"].push_back({{"milliseconds", run.milliseconds}, {"outputs", outputs}});
  }
  print_json(report);
}

}  // namespace

void add_infer(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("infer", "Run any graph on tensors from files");
  add_runtime_options(*command, options->model);
  add_force_option(*command, options->model);
  command->add_option("MODEL,-m,--model", options->model.model, "An .onnx file or a Halftone folder")
      ->type_name("PATH");
  add_fixed_options(*command, options->fixed);
  command->add_option("-i,--input", options->inputs, "A .npy file, or raw elements, for each input")
      ->type_name("NAME=FILE");
  command
      ->add_option("--input-list", options->input_list,
                   "A file with one run a line: NAME:=FILE ..., or the files in the order of the inputs")
      ->type_name("FILE");
  command
      ->add_option("-o,--output-dir", options->output_dir,
                   "Write outputs here: NAME.npy, with --input-list in Result_0, Result_1, ...")
      ->type_name("DIR");
  add_passes_option(*command, options->passes);
  command->add_flag("--raw", options->raw, "Write outputs as raw elements (NAME.raw)");
  command->footer(
      "Example:\n  halftone infer model.onnx --input images=image.npy --output-dir out\n"
      "  halftone infer model.onnx --input-list runs.txt --dim batch=1 --json");
  command->callback([options] { infer(*options); });
}

}  // namespace halftone::cli
