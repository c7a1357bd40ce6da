#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/graph_options.h"
#include "cli/graph_report.h"
#include "cli/model_options.h"
#include "cli/pass_report.h"
#include "cli/table.h"
#include "cost/graph_cost.h"
#include "formats/halftone_folder.h"
#include "formats/open_graph.h"
#include "llm/load_llm.h"
#include "models/model.h"

namespace halftone::cli {
namespace {

struct Options {
  ModelOptions model;
  FixedParts fixed;
  bool graph = false;
  bool passes = false;
  int prompt_tokens = 512;
};

/// Cost of one run of `tokens` tokens of one sequence that give one row of logits.
Cost cost_of_run(const Graph& graph, int64_t tokens) {
  std::map<std::string, int64_t> sizes;
  for (const Symbol& symbol : graph.symbols()) sizes[symbol.name] = 1;
  sizes["tokens"] = tokens;
  return graph_cost(graph, sizes).total;
}

OrderedJson cost_json(const Cost& cost, int64_t tokens) {
  OrderedJson json;
  json["tokens"] = tokens;
  json["flops"] = cost.flops;
  json["weight_bytes"] = cost.weight_bytes;
  json["activation_bytes"] = cost.activation_bytes;
  json["flops_per_byte"] = cost.flops / (cost.weight_bytes + cost.activation_bytes);
  return json;
}

void print_report(const LlmModel& llm, const LlmInfo& info, const Cost& decode, const Cost& prefill,
                  int prompt_tokens, double kv_bytes) {
  const WeightSize size = weight_size(llm.graph);
  auto line = [](std::string_view label, const std::string& value) {
    print_text(fmt::format("{:<16}{}\n", label, value));
  };
  line("Architecture", llm.graph.name);
  line("Layers", fmt::format("{}", info.layers));
  line("Hidden width", fmt::format("{}", info.hidden));
  line("Heads", fmt::format("{} query, {} key/value, of {}", info.heads, info.kv_heads, info.head_dim));
  line("Vocabulary", fmt::format("{}", info.vocab));
  line("Context", fmt::format("{} tokens", info.context));
  line("Parameters", fmt::format("{:.3f} M", size.elements / 1e6));
  line("Weights", fmt::format("{} ({:.2f} bits a weight, scales counted)", bytes_text(size.bytes),
                              size.bytes * 8 / size.elements));
  line("KV cache", fmt::format("{} a token", bytes_text(kv_bytes)));

  Table types({{"stored as", Table::Align::left}, {"parameters"}, {"bytes"}, {"share"}});
  for (const auto& [encoding, part] : weights_by_encoding(llm.graph))
    types.add_row({encoding, fmt::format("{:.3f} M", part.elements / 1e6), bytes_text(part.bytes),
                   fmt::format("{:.1f} %", part.bytes / size.bytes * 100)});
  print_text("\n" + types.str());

  Table costs({{"one run of", Table::Align::left},
               {"FLOPs/token"},
               {"weight bytes/token"},
               {"activation bytes/token"},
               {"FLOP/byte"}});
  auto add = [&](const std::string& name, const Cost& cost, double tokens) {
    costs.add_row({name, fmt::format("{:.3f} G", cost.flops / tokens / 1e9),
                   bytes_text(cost.weight_bytes / tokens), bytes_text(cost.activation_bytes / tokens),
                   fmt::format("{:.2f}", cost.flops / (cost.weight_bytes + cost.activation_bytes))});
  };
  add("decode, 1 token", decode, 1);
  add(fmt::format("prefill, {} tokens", prompt_tokens), prefill, prompt_tokens);
  print_text("\n" + costs.str());
}

void inspect(const Options& options) {
  if (options.model.model.empty()) throw UsageError("no model: halftone inspect MODEL");
  OpenedModel opened = open_either(options.model.model, options.fixed);
  if (opened.graph) {
    if (options.graph && options.passes)
      return print_text(graph_text(graph_to_run(*opened.graph, options.model).graph));
    if (options.graph) return print_text(graph_text(*opened.graph));
    return report_graph(*opened.graph, options.model, options.passes);
  }
  const LlmModel llm = opened.folder ? load_llm(std::move(*opened.folder))
                                     : load_llm(options.model.model, options.model.context);
  const LlmInfo info = llm_info(llm.graph);
  if (options.graph) return print_text(graph_text(llm.graph));
  std::vector<PassReport> passes;
  if (options.passes) {
    GraphToRun to_run = graph_to_run(llm.graph, options.model);
    fmt::print(stderr, "{}", passes_text(to_run.passes, to_run.graph.nodes().size()));
    passes = std::move(to_run.passes);
  }
  KvCache::Layout layout = kv_layout(llm.graph);
  layout.format = options.model.kv;
  const double kv_bytes = static_cast<double>(KvCache::bytes_per_token(layout));
  const int prompt_tokens = static_cast<int>(std::min<int64_t>(options.prompt_tokens, info.context));
  const Cost decode = cost_of_run(llm.graph, 1), prefill = cost_of_run(llm.graph, prompt_tokens);
  if (!options.model.json) return print_report(llm, info, decode, prefill, prompt_tokens, kv_bytes);

  const WeightSize size = weight_size(llm.graph);
  OrderedJson report;
  report["architecture"] = llm.graph.name;
  report["layers"] = info.layers;
  report["hidden"] = info.hidden;
  report["heads"] = info.heads;
  report["kv_heads"] = info.kv_heads;
  report["head_dim"] = info.head_dim;
  report["vocab"] = info.vocab;
  report["context"] = info.context;
  report["parameters"] = size.elements;
  report["weight_bytes"] = size.bytes;
  report["bits_per_weight"] = size.bytes * 8 / size.elements;
  report["kv_bytes_per_token"] = kv_bytes;
  report["bytes_by_type"] = OrderedJson::object();
  for (const auto& [encoding, part] : weights_by_encoding(llm.graph))
    report["bytes_by_type"][encoding] = part.bytes;
  report["decode"] = cost_json(decode, 1);
  report["prefill"] = cost_json(prefill, prompt_tokens);
  if (options.passes) report["passes"] = passes_json(passes);
  print_json(report);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Tell what a model is: parameters, bytes, FLOPs");
  add_model_options(*command, options->model, false);
  command->add_option("MODEL", options->model.model, "The same without -m; an .onnx file too")
      ->type_name("PATH");
  add_fixed_options(*command, options->fixed);
  add_passes_option(*command, options->passes);
  command->add_flag("--graph", options->graph,
                    "Print the graph as text instead, with --passes as it will run");
  command
      ->add_option("-p,--prompt-tokens", options->prompt_tokens, "Length of the prefill whose cost is told")
      ->check(CLI::Range(1, 1 << 24));
  command->footer(
      "Example:\n  halftone inspect MODEL\n  halftone inspect model.onnx --dim N=1\n  halftone inspect -m "
      "model.gguf --json");
  command->callback([options] { inspect(*options); });
}

}  // namespace halftone::cli
