#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Pad (18): more (or, with negative pads, fewer) elements before and behind each axis.
///
/// pads lists those before, then those behind; for all axes or those that `axes` names. Attribute mode says
/// what stands there: "constant" (constant_value, 0), "edge" (the nearest element), "reflect" (mirrored at
/// the edge element) or "wrap" (the other end again).
const OpSchema& pad_schema();

/// Elements before and behind an axis.
struct Padding {
  int64_t before = 0, behind = 0;
};
/// By axis; nothing while pads or axes are unknown.
std::optional<std::vector<Padding>> padding_of(const OpSite& site);
/// Where the element at `i` (negative: before the first) of an axis of `size` comes from in mode edge,
/// reflect or wrap.
int64_t padded_source(const std::string& mode, int64_t i, int64_t size);

}  // namespace halftone
