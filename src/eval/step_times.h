#pragma once

#include <string>
#include <vector>

#include "eval/speed.h"

namespace halftone {

/// What all nodes of one operator, or one part of a step outside of the graph, take of a step.
struct StepPart {
  std::string name;  ///< "Gemm", ..., then "sampling" and "between operators"
  int nodes = 0;     ///< 0 outside of the graph
  double milliseconds = 0;
};

/// Where the time of one step goes: of decoding one token each of `test.texts` (medians over `test.tokens` of
/// them), or of a prefill of `test.tokens` at once. "sampling" is drawing a token of one text as the options
/// are unless told; "between operators" is what the engine and the session do besides. Parts of the graph
/// come in the order of their time; begins the test with begin_test(). Clocks around nodes hide what they
/// would overlap on a device.
std::vector<StepPart> measure_step_parts(Engine& engine, const SpeedTest& test);

}  // namespace halftone
