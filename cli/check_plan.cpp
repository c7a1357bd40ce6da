#include "cli/check_plan.h"

#include <algorithm>
#include <fmt/format.h>

#include "cli/table.h"
#include "tune/plan.h"

namespace halftone::cli {

std::vector<PlanCheck> check_plan(const Engine& engine, const std::vector<SpeedTest>& tests,
                                  const std::vector<double>& tokens_per_s, const Device& machine,
                                  double peak_memory) {
  PlanOptions options;
  options.context = engine.context();
  options.chunk = engine.chunk();
  options.kv = engine.kv_format();
  options.free_bytes = machine.figure("memory_bytes");

  std::vector<PlanCheck> checks;
  for (size_t i = 0; i < tests.size(); ++i) {
    const SpeedTest& test = tests[i];
    const bool prefill = test.phase == SpeedTest::Phase::prefill;
    if (prefill && test.depth > 0) continue;
    options.prompt_tokens.clear();
    options.depths.clear();
    options.batch = test.texts;
    const int depth = test.depth + test.tokens / 2;
    prefill ? options.prompt_tokens.push_back(test.tokens) : options.depths.push_back(depth);
    const RecipePlan plan = plan_compiled({engine.plan().graph()}, machine, options);
    const double predicted = (prefill ? plan.prefill : plan.decode).at(0).seconds.value_or(0) * 1e3;
    const double tokens = prefill ? test.tokens : test.texts;
    checks.push_back({prefill ? fmt::format("TTFT, {} tokens", test.tokens)
                              : fmt::format("TPOT at depth {}{}", depth,
                                            test.texts > 1 ? fmt::format(", {} texts", test.texts) : ""),
                      "ms", predicted, tokens / tokens_per_s[i] * 1e3});
  }
  options.prompt_tokens.clear();
  options.depths.clear();
  for (const SpeedTest& test : tests) options.batch = std::max(options.batch, test.texts);
  const double planned = plan_compiled({engine.plan().graph()}, machine, options).memory.total();
  checks.push_back({"peak memory", "GB", planned / 1e9, peak_memory / 1e9});
  return checks;
}

std::vector<PlanCheck> check_plan(const Graph& compiled, double milliseconds, const Device& machine,
                                  double peak_memory) {
  PlanOptions options;
  options.free_bytes = machine.figure("memory_bytes");
  const RecipePlan plan = plan_compiled({compiled}, machine, options);
  return {{"one picture", "ms", plan.image->seconds.value_or(0) * 1e3, milliseconds},
          {"peak memory", "MB", plan.memory.total() / 1e6, peak_memory / 1e6}};
}

OrderedJson machine_json(const Device& machine) {
  OrderedJson json;
  for (const auto& [key, peak] : machine.peaks) json["peaks"][key] = *peak.value;
  json["bandwidth_by_bytes"] = OrderedJson::array();
  for (const auto& [bytes, rate] : machine.bandwidth_by_size)
    json["bandwidth_by_bytes"].push_back({bytes, rate});
  return json;
}

std::string plan_check_text(const std::vector<PlanCheck>& checks) {
  Table table({{"plan against measurement", Table::Align::left}, {"predicted"}, {"measured"}, {"error"}});
  for (const PlanCheck& check : checks)
    table.add_row({check.what, fmt::format("{:.3f} {}", check.predicted, check.unit),
                   fmt::format("{:.3f} {}", check.measured, check.unit),
                   fmt::format("{:+.1f} %", check.error() * 100)});
  return table.str();
}

OrderedJson plan_check_json(const std::vector<PlanCheck>& checks) {
  OrderedJson json = OrderedJson::array();
  for (const PlanCheck& check : checks)
    json.push_back({{"what", check.what},
                    {"unit", check.unit},
                    {"predicted", check.predicted},
                    {"measured", check.measured},
                    {"error", check.error()}});
  return json;
}

}  // namespace halftone::cli
