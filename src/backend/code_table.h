#pragma once

#include <array>

#include "ops/op_schema.h"

namespace halftone {

/// What the reference of an operator that maps each number by itself makes of each code: codes of its first
/// input to codes of its output. The other inputs must be constants.
std::array<uint8_t, 256> code_table(const OpSite& site);

}  // namespace halftone
