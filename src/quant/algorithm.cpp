#include "quant/algorithm.h"

#include "quant/algo/rtn/rtn.h"

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

}  // namespace halftone
