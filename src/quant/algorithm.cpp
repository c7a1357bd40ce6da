#include "quant/algorithm.h"

#include <algorithm>

#include "base/error.h"
#include "base/suggest.h"
#include "quant/algo/adaround/adaround.h"
#include "quant/algo/autoround/autoround.h"
#include "quant/algo/awq/awq.h"
#include "quant/algo/gptq/gptq.h"
#include "quant/algo/llm_int8/llm_int8.h"
#include "quant/algo/omniquant/omniquant.h"
#include "quant/algo/rtn/rtn.h"
#include "quant/algo/smoothquant/smoothquant.h"

namespace halftone {

std::span<const Algorithm* const> algorithms() {
#define HALFTONE_ALGORITHM(Class) new Class(),
  static const Algorithm* const all[] = {
#include "quant/algorithms.inc"
  };
#undef HALFTONE_ALGORITHM
  return all;
}

const std::vector<std::string>& algorithm_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Algorithm* algorithm : algorithms()) list.emplace_back(algorithm->name());
    return list;
  }();
  return names;
}

const Algorithm* find_algorithm(std::string_view name) {
  for (const Algorithm* algorithm : algorithms())
    if (algorithm->name() == name) return algorithm;
  return nullptr;
}

AlgorithmSettings settings_of(const Algorithm& algorithm, const AlgorithmSettings& given) {
  AlgorithmSettings settings;
  std::vector<std::string> names;
  for (const AlgorithmSetting& known : algorithm.settings()) {
    settings.emplace(known.name, known.preset);
    names.emplace_back(known.name);
  }
  for (const auto& [name, value] : given) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw UsageError("{} has no setting \"{}\"{}", algorithm.name(), name, did_you_mean(name, names));
    const AlgorithmSetting& known = algorithm.settings()[static_cast<size_t>(found - names.begin())];
    if (!(value >= known.least && value <= known.most))
      throw UsageError("{}: {}: expected {} to {}, found {}", algorithm.name(), name, known.least, known.most,
                       value);
    settings[name] = value;
  }
  return settings;
}

AlgorithmChain make_chain(std::span<const AlgorithmStep> steps) {
  AlgorithmChain chain;
  for (const AlgorithmStep& step : steps) {
    const Algorithm* algorithm = find_algorithm(step.name);
    if (!algorithm)
      throw UsageError("no algorithm \"{}\"{}", step.name, did_you_mean(step.name, algorithm_names()));
    chain.push_back({algorithm, settings_of(*algorithm, step.settings)});
  }
  return chain;
}

CalibrationNeeds needs_of(const AlgorithmChain& chain) {
  CalibrationNeeds all;
  for (const ChainLink& link : chain) {
    const CalibrationNeeds one = link.algorithm->needs();
    all.original_prefix |= one.original_prefix;
    all.quantized_prefix |= one.quantized_prefix;
  }
  return all;
}

}  // namespace halftone
