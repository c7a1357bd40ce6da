#pragma once

#include <string>
#include <vector>

#include "cli/model_options.h"

namespace halftone::cli {

/// `halftone bench` of a graph that is no language model.
struct GraphBench {
  std::vector<std::string> dims;  ///< NAME=SIZE
  int repetitions = 30;
  bool layers = false, passes = false;
};

void bench_graph(const ModelOptions& model, const GraphBench& options);

}  // namespace halftone::cli
