#include "quant/plain_rounding.h"

#include <algorithm>

namespace halftone {

bool rounds_plainly(const Recipe& recipe) {
  return !recipe.static_activations && std::ranges::all_of(recipe.algorithms, [](const AlgorithmStep& step) {
    return step == AlgorithmStep{"rtn"} || step.name == "llm_int8";
  });
}

}  // namespace halftone
