#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "eval/speed.h"

namespace halftone::cli {

/// One number of a plan and the same measured.
struct PlanCheck {
  std::string what;  ///< "TTFT, 512 tokens", "TPOT at depth 64", "peak memory"
  std::string unit;  ///< "ms" or "GB"
  double predicted = 0;
  double measured = 0;

  double error() const { return predicted / measured - 1; }
};

/// Plans the engine's graph on this machine, whose bandwidth was measured in the same run, and sets the plan
/// beside the measurements: tokens per second of each test, and the peak of memory in bytes. Prompts behind a
/// filled cache are left out.
std::vector<PlanCheck> check_plan(const Engine& engine, const std::vector<SpeedTest>& tests,
                                  const std::vector<double>& tokens_per_s, double bandwidth,
                                  double peak_memory, ThreadPool& threads);

std::string plan_check_text(const std::vector<PlanCheck>& checks);
OrderedJson plan_check_json(const std::vector<PlanCheck>& checks);

}  // namespace halftone::cli
