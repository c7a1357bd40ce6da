#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cost/device.h"
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

/// Plans the engine's graph on `machine`, as it was measured between the runs, and sets the plan beside the
/// measurements: tokens per second of each test, and the peak of memory in bytes. Prompts behind a filled
/// cache are left out.
std::vector<PlanCheck> check_plan(const Engine& engine, const std::vector<SpeedTest>& tests,
                                  const std::vector<double>& tokens_per_s, const Device& machine,
                                  double peak_memory);

/// The same of a compiled graph of pictures and one run of it.
std::vector<PlanCheck> check_plan(const Graph& compiled, double milliseconds, const Device& machine,
                                  double peak_memory);

/// Peaks and bandwidths (by the bytes that are read in turn) of a measured machine.
OrderedJson machine_json(const Device& machine);

std::string plan_check_text(const std::vector<PlanCheck>& checks);
OrderedJson plan_check_json(const std::vector<PlanCheck>& checks);

}  // namespace halftone::cli
