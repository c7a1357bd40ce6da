#pragma once

#include <string>

#include "ops/op_schema.h"

namespace halftone {

/// What an operator computes on codes where that is not its reference with rounded ends: exact integer
/// arithmetic that kernels equal bit for bit.
struct IntegerMeaning {
  /// Why this site has none (run_reference() then converts); empty when it has.
  std::string (*refusal)(const OpSite& site) = nullptr;
  /// Takes and gives codes (and plain floats where a storage has none), all planar.
  void (*reference)(const OpSite& site, std::span<const Operand> inputs,
                    std::span<const MutableTensorView> outputs) = nullptr;
  bool takes_wide = false;  ///< whether refusal() looks for wide codes; otherwise there are none
};

/// That of a site, or null.
const IntegerMeaning* integer_meaning(const OpSite& site);

}  // namespace halftone
