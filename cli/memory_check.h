#pragma once

#include "cli/model_options.h"
#include "llm/engine.h"

namespace halftone::cli {

/// What running a language model's graph will take of this machine's memory, before a weight is read. Throws
/// ResourceError with the sum, and the nearest context or recipe that fits, when that is more than is free,
/// unless `options.force`.
double check_memory(const Graph& graph, const EngineOptions& engine, const ModelOptions& options);

/// The same of any other graph, run on one picture at a time. Where its sizes are not known ahead, values
/// between the layers are not counted.
double check_memory(const Graph& graph, const ModelOptions& options);

/// "peak memory 1.2 GB (planned 1.3 GB)"
std::string memory_text(double planned);

}  // namespace halftone::cli
